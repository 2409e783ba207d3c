# SPDX-License-Identifier: MIT
# heading=HEADING awk -f merge.awk CELLS ROWS REPORT: the report, with these
# rows in its table of that heading, in place of all that the same machines had
# there; in the order of the cells, what is no cell behind them.  A table that
# is not there yet comes before that of many cpus.  Where this is what a machine
# runs by itself, its rows of what it ran so before go.

BEGIN {
	FS = " *[|] *"
	report = ARGV[ARGC - 1]
	heading = "## " ENVIRON["heading"]
}

function known(machine) {
	if (!(machine in place)) {
		place[machine] = ++places
		name[places] = machine
	}
}

FILENAME == ARGV[1] {
	if (split($0, field, "\t") > 1 && !/^#/) {
		known(field[1])
		by_itself[field[1]] = "## Tests: `" field[5] "`"
		a_set[by_itself[field[1]]] = 1
	}
	next
}
FILENAME != report {
	known($2)
	rows[$2] = rows[$2] $0 "\n"
	next
}

function put_table(	i) {
	for (i = 1; i <= places; i++)
		printf "%s", rows[name[i]]
	done = 1
}

function put_new() {
	print heading "\n"
	print "| machine | kernel | by | patched libcs | tests | s | notes " \
		"| on | commit |\n|---|---|---|---|---|---|---|---|---|"
	put_table()
}

# Rows of a table, whose two first lines pass.
FNR == 1 {
	for (i = 1; i <= places; i++)
		fresh[name[i]] = rows[name[i]] != ""
}
/^## / { table = $0 }
/^\|/ && table in a_set && table != heading && fresh[$2] &&
	heading == by_itself[$2] { next }
/^\|/ && here && ++lines > 2 {
	known($2)
	if (!fresh[$2])
		rows[$2] = rows[$2] $0 "\n"
	next
}
!/^\|/ && lines {
	put_table()
	here = lines = 0
}
$0 == heading { here = 1 }
$0 == "## Many cpus" && !here && !done {
	put_new()
	print ""
}
{ print }
END {
	if (lines)
		put_table()
	else if (!done) {
		print ""
		put_new()
	}
}
