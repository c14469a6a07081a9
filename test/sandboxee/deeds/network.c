#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "deed.h"

static long connected(int family, const struct sockaddr* address, socklen_t size, int type) {
  const int fd = socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return -errno;
  }
  const long result = answer(connect(fd, address, size));
  close(fd);
  return result;
}

/* connect,ADDRESS,PORT */
static long do_connect(char** args) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)number(args[1]))};
  inet_pton(AF_INET, args[0], &address.sin_addr);
  return connected(AF_INET, (const struct sockaddr*)&address, sizeof address, SOCK_STREAM);
}

// Abstract names are filled up with zeros, as Node.js does it.
static socklen_t unix_address(struct sockaddr_un* address, const char* name, int abstract) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path + abstract, name, strnlen(name, sizeof address->sun_path - 2));
  return sizeof *address;
}

static long do_connect_abstract(char** args) {
  struct sockaddr_un address;
  const socklen_t size = unix_address(&address, args[0], 1);
  return connected(AF_UNIX, (const struct sockaddr*)&address, size, SOCK_STREAM);
}

static long do_connect_unix(char** args) {
  struct sockaddr_un address;
  const socklen_t size = unix_address(&address, args[0], 0);
  return connected(AF_UNIX, (const struct sockaddr*)&address, size, SOCK_STREAM);
}

/* loopback: a connection to itself */
static long do_loopback(char** args) {
  (void)args;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&address, size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr*)&address, &size) != 0) {
    return -errno;
  }
  const long result = connected(AF_INET, (const struct sockaddr*)&address, size, SOCK_STREAM);
  close(listener);
  return result;
}

/* interfaces: names, and which are up */
static long do_interfaces(char** args) {
  (void)args;
  struct if_nameindex* all = if_nameindex();
  if (all == NULL) {
    return -errno;
  }
  for (struct if_nameindex* one = all; one->if_index != 0; ++one) {
    struct ifaddrs* addresses = NULL;
    unsigned flags = 0;
    if (getifaddrs(&addresses) == 0) {
      for (struct ifaddrs* a = addresses; a != NULL; a = a->ifa_next) {
        flags |= strcmp(a->ifa_name, one->if_name) == 0 ? a->ifa_flags : 0;
      }
      freeifaddrs(addresses);
    }
    tell("%s%s%s", one == all ? "" : " ", one->if_name, (flags & IFF_UP) != 0 ? "+" : "-");
  }
  if_freenameindex(all);
  return 0;
}

/* socket,FAMILY,TYPE,PROTOCOL */
static long do_socket(char** args) {
  const int fd = (int)syscall(SYS_socket, number(args[0]), number(args[1]), number(args[2]));
  if (fd < 0) {
    return -errno;
  }
  close(fd);
  return 0;
}

/* bind-unix,PATH: a socket of its own at a name */
static long do_bind_unix(char** args) {
  struct sockaddr_un address;
  const socklen_t size = unix_address(&address, args[0], 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const long result = answer(bind(fd, (const struct sockaddr*)&address, size));
  close(fd);
  return result;
}

// One descriptor by SCM_RIGHTS (unix(7)).
static long pass(int socket, int* fd, int sending) {
  char byte = 0;
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (!sending) {
    if (recvmsg(socket, &message, 0) < 0) {
      return -errno;
    }
    const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == NULL) {
      return -EPROTO;
    }
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
    return 0;
  }
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof *fd);
  memcpy(CMSG_DATA(header), fd, sizeof *fd);
  return sendmsg(socket, &message, 0) < 0 ? -errno : 0;
}

/* serve-descriptor,SOCKET,PATH: gives one descriptor of a path to whoever connects first */
static long do_serve_descriptor(char** args) {
  struct sockaddr_un address;
  const socklen_t size = unix_address(&address, args[0], 0);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  int fd = open(args[1], O_RDONLY);
  if (fd < 0 || bind(listener, (const struct sockaddr*)&address, size) != 0 ||
      chmod(args[0], 0666) != 0 || listen(listener, 1) != 0) {
    return -errno;
  }
  printf("serving\n");
  fflush(stdout);
  const int peer = accept(listener, NULL, NULL);
  return peer < 0 ? -errno : pass(peer, &fd, 1);
}

/* use-descriptor,SOCKET,NAME: takes a directory from there, opens a file in it, and what its ".."
 * leads to; tells the last */
static long do_use_descriptor(char** args) {
  struct sockaddr_un address;
  const socklen_t size = unix_address(&address, args[0], 0);
  const int peer = socket(AF_UNIX, SOCK_STREAM, 0);
  int directory = -1;
  if (connect(peer, (const struct sockaddr*)&address, size) != 0) {
    return -errno;
  }
  const long received = pass(peer, &directory, 0);
  if (received < 0) {
    return received;
  }
  const int above = openat(directory, "../../../../../../etc/hostname", O_RDONLY);
  tell("%s", above >= 0 ? "OK" : errno == EACCES ? "EACCES" : "failed");
  return openat(directory, args[1], O_RDONLY) < 0 ? -errno : 0;
}

/* interface-down,NAME */
static long do_interface_down(char** args) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, args[0], sizeof request.ifr_name - 1);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const long result = answer(ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
  return result;
}

const struct deed network_deeds[] = {{"connect", do_connect},
                                     {"connect-abstract", do_connect_abstract},
                                     {"connect-unix", do_connect_unix},
                                     {"loopback", do_loopback},
                                     {"interfaces", do_interfaces},
                                     {"socket", do_socket},
                                     {"bind-unix", do_bind_unix},
                                     {"interface-down", do_interface_down},
                                     {"serve-descriptor", do_serve_descriptor},
                                     {"use-descriptor", do_use_descriptor},
                                     {NULL, NULL}};
