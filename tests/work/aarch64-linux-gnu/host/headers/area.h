#include <rseq/area.h>
#include <rseq/rseq.h>
int main(void) { return 0; }
