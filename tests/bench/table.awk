# SPDX-License-Identifier: MIT
# awk -v json=OUT.json -f table.awk NAME.counts...: what count printed, a file
# a column, as a table and as JSON.

FNR == 1 {
	columns[++n] = FILENAME
	sub(/.*\//, "", columns[n])
	sub(/\.counts$/, "", columns[n])
}
split($0, part, /[.=]/) == 3 {
	if (!(part[1] in seen))
		rows[++m] = part[1]
	seen[part[1]]
	has[n, part[1]]
	value[n, part[1], part[2]] = part[3]
}

# "7 (2)": instructions, and stores among them; "+1" more is a taken branch
function cell(i, op,	taken) {
	if (!((i, op) in has))
		return "-"
	taken = value[i, op, "taken_branches"]
	return value[i, op, "instructions"] " (" value[i, op, "stores"] ")" \
		(taken ? "+" taken : "")
}

function width(i) { return length(columns[i]) > 6 ? length(columns[i]) : 6 }

END {
	printf "%-26s", ""
	for (i = 1; i <= n; i++)
		printf "  %*s", width(i), columns[i]
	for (j = 1; j <= m; j++) {
		printf "\n%-26s", rows[j]
		for (i = 1; i <= n; i++)
			printf "  %*s", width(i), cell(i, rows[j])
	}
	print ""
	for (i = 1; i <= n; i++) {
		printf "%s\n  \"%s\": {", (i > 1 ? "," : "{"), columns[i] >json
		comma = ""
		for (j = 1; j <= m; j++) {
			if (!((i, rows[j]) in has))
				continue
			printf "%s\n    \"%s\": { \"instructions\": %d, " \
				"\"stores\": %d, \"taken_branches\": %d }",
				comma, rows[j],
				value[i, rows[j], "instructions"],
				value[i, rows[j], "stores"],
				value[i, rows[j], "taken_branches"] >json
			comma = ","
		}
		printf "\n  }" >json
	}
	print "\n}" >json
}
