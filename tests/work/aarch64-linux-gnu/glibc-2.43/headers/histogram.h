#include <rseq/histogram.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
