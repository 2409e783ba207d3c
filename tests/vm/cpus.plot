# SPDX-License-Identifier: MIT
# gnuplot -e "data='FILE'; svg='FILE'" cpus.plot
set terminal svg size 640,400 background "white"
set output svg
set logscale xy
set key top left noenhanced
set xlabel "cpus that there can be (pretended)"
set ylabel "us"
set xtics (64, 256, 1024, 4096, 8192)
set grid ytics
plot data using 2:4 with linespoints title "a counter's sum", \
	data using 2:6 with linespoints title "a drain that meets nobody", \
	data using 2:5 with linespoints title "the first one, which touches a page a cpu"
