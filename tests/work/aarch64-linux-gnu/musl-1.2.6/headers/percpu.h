#include <rseq/percpu.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
