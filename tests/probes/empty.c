/* SPDX-License-Identifier: MIT */
/* empty: what a program has in it when it does nothing. */
int main(void)
{
	return 0;
}
