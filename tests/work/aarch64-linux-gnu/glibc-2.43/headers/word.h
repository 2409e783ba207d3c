#include <rseq/word.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
