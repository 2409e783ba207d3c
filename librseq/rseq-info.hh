/* SPDX-License-Identifier: MIT */
#pragma once

/* Run command and print its transactions' numbers; its exit status. */
int show_stats(char **command, bool json);
