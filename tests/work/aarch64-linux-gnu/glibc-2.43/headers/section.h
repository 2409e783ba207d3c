#include <rseq/section.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
