# SPDX-License-Identifier: MIT
# "WORKLOAD THREADS NAME key=value..." into a table, JSON and a plot's data:
# the round in which a program was fastest.
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
		printf "%-12s", rows[r]
		for (i = 1; i <= n; ++i)
			printf " %16s", table[rows[r] " " name[i]]
		print ""
	}
}
