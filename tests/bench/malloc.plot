# SPDX-License-Identifier: MIT
# gnuplot -e "data='FILE'; svg='FILE'" malloc.plot
set terminal svg size 640,400 background "white"
set output svg
set logscale xy
set key top left autotitle columnhead noenhanced
set xlabel "threads, on the cpus there are"
set ylabel "ns of cpu time for a free() and a malloc()"
set xtics (1, 2, 4, 16, 64)
set ytics (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
set yrange [4:3000]
set grid ytics
plot for [i = 2:*] data using 1:i with linespoints
