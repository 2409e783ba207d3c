#include <rseq/debug.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
