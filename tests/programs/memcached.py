# SPDX-License-Identifier: MIT
"""memcached.py PORT: six clients, each of which reads back what it set."""
import socket
import sys
import threading

wrong = []


def client(number, port):
    connection = socket.create_connection(("127.0.0.1", port))
    stream = connection.makefile("rwb")
    for i in range(1500):
        key = b"k%d.%d" % (number, i % 97)
        value = b"%d-%d" % (number, i) * (1 + i % 50)
        stream.write(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        stream.flush()
        if stream.readline() != b"STORED\r\n":
            wrong.append(key)
        stream.write(b"get %s\r\n" % key)
        stream.flush()
        stream.readline()
        if stream.readline().strip() != value:
            wrong.append(key)
        stream.readline()


clients = [threading.Thread(target=client, args=(n, int(sys.argv[1])))
           for n in range(6)]
for c in clients:
    c.start()
for c in clients:
    c.join()
print(len(wrong), "wrong answers")
sys.exit(bool(wrong))
