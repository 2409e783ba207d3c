#include <rseq/pool.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
