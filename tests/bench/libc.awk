# SPDX-License-Identifier: MIT
# "VERSION TURN stock|patched|again KEY VALUE" into a table for each version,
# below what -v about=TEXT says of the run.
{
	if (!($1 in known)) {
		known[$1]
		version[++nversions] = $1
	}
	if (!($4 in row)) {
		row[$4]
		key[++nkeys] = $4
	}
	value[$1, $4, $2, $3] = $5
	turns = $2 + 1 > turns ? $2 + 1 : turns
}

# quantile(Q): of a[1] to a[n], which it sorts
function quantile(q,	i, j, t, at)
{
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
			t = a[j]
			a[j] = a[j - 1]
			a[j - 1] = t
		}
	at = 1 + q * (n - 1)
	i = int(at)
	return i < n ? a[i] + (at - i) * (a[i + 1] - a[i]) : a[n]
}

function median_of(v, k, who,	i)
{
	n = turns
	for (i = 0; i < turns; i++)
		a[i + 1] = value[v, k, i, who] + 0
	return quantile(0.5)
}

# WHO's ratio to stock: to both of them, or to the other one
function ratio(v, k, who,	i, base)
{
	n = turns
	for (i = 0; i < turns; i++) {
		base = value[v, k, i, "stock"]
		if (who == "patched")
			base = (base + value[v, k, i, "again"]) / 2
		a[i + 1] = value[v, k, i, who] / base
	}
	return sprintf("%.3f (%.3f to %.3f)", quantile(0.5), quantile(0.25),
		quantile(0.75))
}

function number(x)
{
	return sprintf(x < 100 ? "%.2f" : "%.0f", x)
}

END {
	name["thread_memory_kb"] = "memory that a thread takes, kB"
	name["thread_overhead_bytes"] = "of its stack before it starts, bytes"
	name["sched_getcpu_ns"] = "sched_getcpu(), ns"
	name["syscall_ns"] = "system call, getppid(), ns"
	name["create_join_ns"] = "thread: create and join, ns"
	name["switch_ns"] = "context switch, by pipes, ns"
	name["fork_ns"] = "fork, exit, wait, ns"
	name["exec_ns"] = "spawn of a dynamic program, wait, ns"
	name["libc_text_bytes"] = "libc.so: code and constants, bytes"
	name["libc_data_bytes"] = "libc.so: data, bytes"
	for (v = 1; v <= nversions; v++) {
		print "\n## " version[v]
		print "\n" about
		print "\n| | stock | patched | ratio | stock again |"
		print "|---|---:|---:|---:|---:|"
		for (k = 1; k <= nkeys; k++)
			printf "| %s | %s | %s | %s | %s |\n", name[key[k]],
				number(median_of(version[v], key[k], "stock")),
				number(median_of(version[v], key[k], "patched")),
				ratio(version[v], key[k], "patched"),
				ratio(version[v], key[k], "again")
	}
}
