/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest server there is, for the idle benchmark: a thousand of them are started. HTTP on argv[1]. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nok\n";
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0")) };
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0)
		return 1;
	for (;;) {
		char request[4096];
		int client = accept(listener, NULL, NULL);
		if (client >= 0 && read(client, request, sizeof request) > 0 && write(client, answer, sizeof answer - 1) < 0)
			return 1;
		close(client);
	}
}
