// SPDX-License-Identifier: Apache-2.0
#include "http/listen.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "net/socket_address.h"

namespace flannel {
namespace {

// Many clients may connect before the accepting thread is scheduled.
constexpr int kBacklog = 1024;

Result<TcpListener> listen_on(const IpEndpoint& endpoint) {
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  TcpListener listener{Fd{::socket(socket_family(endpoint.ip.family), kType, 0)}, 0};
  if (!listener.fd) return os_error("socket");
  const int fd = listener.fd.get();
  const int on = 1;
  // After a restart the port may be in TIME_WAIT. SO_REUSEPORT is not used: with it a second daemon
  // on the port would start without an error and answer half of the requests.
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const SocketAddress address(endpoint);
  if (::bind(fd, address.data(), address.size()) != 0) return os_error("bind");
  if (::listen(fd, kBacklog) != 0) return os_error("listen");
  SocketAddress bound;
  socklen_t length = SocketAddress::kMost;
  if (::getsockname(fd, bound.data(), &length) != 0) return os_error("getsockname");
  listener.port = bound.endpoint().port;
  return listener;
}

constexpr int kUnixType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::invalid, "the path of a unix socket has " +
                                        std::to_string(sizeof address.sun_path - 1) +
                                        " bytes at most");
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

const sockaddr* as_socket_address(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Removes a socket that a process has left behind.
Result<void> make_room(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) {
    if (errno == ENOENT) return {};
    return os_error("lstat");
  }
  if (!S_ISSOCK(there.st_mode))
    return fail(ErrorKind::conflict, "there is a file that is no socket");
  const sockaddr_un address = TRY(unix_address(path));
  const Fd client{::socket(AF_UNIX, kUnixType, 0)};
  if (!client) return os_error("socket");
  // EAGAIN: the listener has no time for another client at present.
  if (::connect(client.get(), as_socket_address(address), sizeof address) == 0 || errno == EAGAIN) {
    return fail(ErrorKind::exists, "another process listens there");
  }
  if (errno != ECONNREFUSED) return os_error("connect");
  if (::unlink(path.c_str()) != 0) return os_error("unlink");
  return {};
}

// 0: there is no such file.
std::uint64_t inode_of(const std::string& path) {
  struct stat there {};
  return ::lstat(path.c_str(), &there) == 0 ? there.st_ino : 0;
}

// A process may not have the capability to give a file away; then the owner alone may connect.
void let_in(const std::string& path, const std::string& group) {
  if (group.empty()) return;
  const ::group* entry = ::getgrnam(group.c_str());
  if (entry == nullptr) return;
  if (::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) return;
}

// The socket gets its mode and group under another name, so nobody else can ever connect.
Result<Fd> listen_at(const std::string& path, const std::string& group) {
  std::error_code made;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), made);
  TRY(make_room(path));
  const std::string unready = path + ".new";
  const sockaddr_un address = TRY(unix_address(unready));
  Fd listener{::socket(AF_UNIX, kUnixType, 0)};
  if (!listener) return os_error("socket");
  // bind() gives this mode to the file, less the umask.
  if (::fchmod(listener.get(), 0600) != 0) return os_error("fchmod");
  ::unlink(unready.c_str());
  if (::bind(listener.get(), as_socket_address(address), sizeof address) != 0) {
    return os_error("bind");
  }
  if (::chmod(unready.c_str(), group.empty() ? 0600 : 0660) != 0) return os_error("chmod");
  let_in(unready, group);
  if (::listen(listener.get(), kBacklog) != 0) return os_error("listen");
  if (::rename(unready.c_str(), path.c_str()) != 0) return os_error("rename");
  return listener;
}

}  // namespace

Result<TcpListener> listen_tcp(const std::string& ip, std::uint16_t port) {
  const bool v6 = ip.find(':') != std::string::npos;
  const std::string what = "listen on " + (v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port);
  const auto address = IpAddress::parse(ip);
  if (!address) return fail(ErrorKind::invalid, what + ": not an IP address");
  return TRY_DURING(listen_on({*address, port}), what);
}

UnixSocketFile::UnixSocketFile(std::string path)
    : path_(std::move(path)), inode_(inode_of(path_)) {}

UnixSocketFile::~UnixSocketFile() {
  if (inode_ != 0 && inode_of(path_) == inode_) ::unlink(path_.c_str());
}

Result<Fd> listen_unix(const std::string& path, const std::string& group) {
  return TRY_DURING(listen_at(path, group), "listen on " + path);
}

}  // namespace flannel
