# SPDX-License-Identifier: MIT
# "WORKLOAD THREADS NAME key=value..." into a table, JSON and a plot's data:
# the round in which a program was fastest.
$1 == "lines" {
	for (i = 5; i <= NF; ++i) {
		split($i, pair, "=")
		counted[pair[1] " " $2 " " $3 " " $4] = pair[2]
	}
	next
}
/ns=-?(inf|nan)/ { next }	# it did not come to run in that round
{
	key = $1 " " $2 " " $3
	if ($1 " " $2 != row)
		row = $1 " " $2
	if (!(row in seen)) {
		seen[row] = 1
		rows[++nrows] = row
	}
	for (i = 4; i <= NF; ++i) {
		split($i, pair, "=")
		value[pair[1]] = pair[2]
	}
	if (!(key in ns) || value["ns"] + 0 < ns[key] + 0) {
		ns[key] = value["ns"]
		rss[key] = value["rss"]
		waits[key] = value["waits"]
		locks[key] = value["locks"]
		futex[key] = "-"
		if (value["futex"] != "" && value["ops"] > 0)
			futex[key] = sprintf("%.3f",
				value["futex"] * 1000 / value["ops"])
	}
	delete value
}
END {
	n = split(programs, name, " ")
	print "a free() and a malloc(), nanoseconds of cpu time:"
	line("ns", ns)
	print "\na run of malloc.lua, microseconds of cpu time:"
	for (key in ns)
		us[key] = sprintf("%.0f", ns[key] / 1000)
	line("us", us)
	print "\nmost memory, kB:"
	line("rss", rss)
	print "\ntimes a thread waited, for 1000 of them:"
	for (key in waits)
		waits[key] = sprintf("%.2f", waits[key] * 1000)
	line("waits", waits)
	print "\nentries of futex(2) for 1000 of them:"
	line("futex", futex)
	print "\nlocks taken for 1000 of them by " name[1] \
		" (" name[2] " takes 1000 or more):"
	for (r = 1; r <= nrows; ++r)
		if (rows[r] !~ /^lua/)
			printf "%-12s %16.2f\n", rows[r],
				locks[rows[r] " " name[1]] * 1000
	print "\ncache lines of its blocks that a thread found last written on" \
		" another cpu,\nfor 1000 of them:"
	for (key in ns)
		if (("lines " key) in counted)
			lines[key] = sprintf("%.2f",
				counted["lines " key] * 1000)
	line("lines", lines)
	print "\ncalls past the caches of " name[1] ", for 1000 of them:"
	for (r = 1; r <= nrows; ++r)
		if (("past " rows[r] " " name[1]) in counted)
			printf "%-12s %16.2f\n", rows[r],
				counted["past " rows[r] " " name[1]] * 1000
	more_cpus(name[1])
	printf "{" > json
	for (r = 1; r <= nrows; ++r) {
		printf "%s\n\"%s\": {", (r > 1 ? "," : ""), rows[r] > json
		for (i = 1; i <= n; ++i) {
			key = rows[r] " " name[i]
			printf "%s\"%s\": {\"ns\": %s, \"rss\": %s, " \
				"\"waits\": %s}", (i > 1 ? ", " : ""), name[i],
				ns[key], rss[key], waits[key] > json
		}
		printf "}" > json
	}
	print "}" > json
	printf "threads" > data
	for (i = 1; i <= n; ++i)
		printf " %s", name[i] > data
	print "" > data
	for (r = 1; r <= nrows; ++r) {
		split(rows[r], part, " ")
		if (part[1] != "own")
			continue
		printf "%s", part[2] > data
		for (i = 1; i <= n; ++i)
			printf " %s", ns[rows[r] " " name[i]] > data
		print "" > data
	}
}
function line(what, table,	r, i)
{
	printf "%-12s", "threads"
	for (i = 1; i <= n; ++i)
		printf " %16s", name[i]
	print ""
	for (r = 1; r <= nrows; ++r) {
		# Only time and memory are of a run as a whole.
		if (what != "rss" && (rows[r] ~ /^lua/) != (what == "us"))
			continue
		if (what == "lines" && !(("lines " rows[r] " " name[1]) in \
					 counted))
			continue
		printf "%-12s", rows[r]
		for (i = 1; i <= n; ++i)
			printf " %16s", table[rows[r] " " name[i]]
		print ""
	}
}
# What is each cpu's own takes the same time on any number of them; the lock is
# everyone's.  "burst" tells how long it is held, since it takes it so often.
function more_cpus(which,	held, often, n)
{
	held = locks["burst 1 " which] - locks["own 1 " which]
	if (held <= 0)
		return
	held = (ns["burst 1 " which] - ns["own 1 " which]) / held
	printf "\nthe lock of %s is held for %.0f ns at a time. On so many " \
		"cpus that is all the time:\n", which, held
	for (n = 1; n <= 64; n *= 64) {
		often = locks["own " n " " which]
		if (often * held > 0)
			printf "%-12s %16.0f\n", "own " n,
				ns["own " n " " which] / (often * held)
	}
}
