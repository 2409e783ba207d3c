# SPDX-License-Identifier: MIT
# gnuplot -e "data='FILE'; svg='FILE'; machine='TEXT'" structures.plot
set terminal svg size 1100,900 background "white"
set output svg
set logscale xy
set key outside right top autotitle columnhead noenhanced font ",10"
set xtics (1, 2, 4, 16, 64)
set grid ytics
set title noenhanced
set multiplot layout 3,2 title machine noenhanced
set xlabel "threads"
set ylabel "ns of cpu time"
set yrange [1:1000]
do for [w in "cache counters ring pool-pairs pool-cross"] {
	set title w
	file = data . "." . w
	stats file skip 1 nooutput
	plot for [i = 2:STATS_columns] file using 1:i with linespoints
}
set title "pool-pairs, most memory"
set ylabel "kB"
set yrange [1000:100000]
file = data . ".pool-pairs.memory"
stats file skip 1 nooutput
plot for [i = 2:STATS_columns] file using 1:i with linespoints
unset multiplot
