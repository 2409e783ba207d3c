#include <rseq/stack.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
