#include <rseq/sanitize.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
