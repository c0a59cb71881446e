/* A web server that is one static binary and needs nothing else: no shell, no library, no file. Answers every request
   with the same body after a millisecond, on connections that stay open. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 256
static const char ANSWER[] = "HTTP/1.1 200 OK\r\nServer: static\r\nContent-Length: 6\r\n\r\nalone\n";

int main(void) {
    struct pollfd open[MANY] = {{.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN}};
    struct sockaddr_in everywhere = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int count = 1, yes = 1;
    setsockopt(open[0].fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(open[0].fd, (struct sockaddr *)&everywhere, sizeof everywhere) || listen(open[0].fd, MANY)) return 1;
    fprintf(stderr, "%d:%d in %s says %s\n", getuid(), getgid(), getcwd(NULL, 0), getenv("GREETING"));
    for (;;) {
        poll(open, count, -1);
        for (int i = count - 1; i > 0; i--) {
            char request[4096];
            if (!open[i].revents) continue;
            ssize_t got = read(open[i].fd, request, sizeof request);
            usleep(1000);
            if (got > 3 && !memcmp(request + got - 4, "\r\n\r\n", 4)) {
                if (write(open[i].fd, ANSWER, sizeof ANSWER - 1) > 0) continue;
            } else if (got > 0) continue;
            close(open[i].fd);
            open[i] = open[--count];
        }
        if (open[0].revents && count < MANY) {
            open[count] = (struct pollfd){.fd = accept(open[0].fd, NULL, NULL), .events = POLLIN};
            count++;
        }
    }
}
