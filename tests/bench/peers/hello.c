/* The floor: a FastCGI program in C that answers 36 bytes whatever is asked. Build: cc -O2 hello.c -lfcgi */
#include <fcgi_stdio.h>

int main(void) {
    while (FCGI_Accept() >= 0)
        printf("Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 36\r\n\r\n"
               "3d6181b0-6a4b-97ef-18d8-722652995cf1");
    return 0;
}
