// SPDX-License-Identifier: Apache-2.0
#include "daemon/sd_notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "base/printable.h"
#include "base/result.h"

namespace flannel {
namespace {

// The longest time for which a manager that does not read may block the loop.
constexpr timeval kLongestSend{.tv_sec = 0, .tv_usec = 200'000};

constexpr std::size_t kMostFds = 64;

Result<void> send_to(const Fd& socket, const std::string& address, const std::string& message,
                     int flags, std::span<const Fd> fds = {}) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy(address.begin(), address.end(), to.sun_path);
  iovec text{const_cast<char*>(message.data()), message.size()};
  msghdr header{};
  header.msg_name = &to;
  header.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  header.msg_iov = &text;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  if (!fds.empty()) {
    std::array<int, kMostFds> numbers{};
    const std::size_t count = std::min(fds.size(), kMostFds);
    for (std::size_t i = 0; i < count; ++i)
      numbers[i] = fds[i].get();
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(rights), numbers.data(), count * sizeof(int));
  }
  if (::sendmsg(socket.get(), &header, flags | MSG_NOSIGNAL) < 0) {
    return os_error("send to NOTIFY_SOCKET");
  }
  return {};
}

}  // namespace

ServiceNotifier ServiceNotifier::from_environment() {
  const char* const address = std::getenv("NOTIFY_SOCKET");
  ServiceNotifier notifier(address == nullptr ? "" : address);
  ::unsetenv("NOTIFY_SOCKET");
  return notifier;
}

ServiceNotifier::ServiceNotifier(std::string_view address) {
  if (address.empty()) return;
  const bool known = address[0] == '/' || address[0] == '@';
  // One byte less than the size, for the zero at the end of a path.
  if (!known || address.size() >= sizeof(sockaddr_un::sun_path)) {
    log::warning(
        "NOTIFY_SOCKET is no address of a unix socket, so the service manager is not notified",
        {{"address", address}});
    return;
  }
  socket_ = Fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket_) return;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &kLongestSend, sizeof kLongestSend);
  address_ = address;
  if (address_[0] == '@') address_[0] = '\0';
}

void ServiceNotifier::ready(std::string_view status) {
  last_status_ = printable(status);
  send("READY=1\nSTATUS=" + last_status_, 0);
}

void ServiceNotifier::stopping() {
  send("STOPPING=1\nSTATUS=stopping; the data plane stays", 0);
}

void ServiceNotifier::status(std::string_view text) {
  std::string line = printable(text);
  if (line == last_status_) return;
  last_status_ = std::move(line);
  // Dropped if the manager does not read fast enough, since the next status replaces it.
  send("STATUS=" + last_status_, MSG_DONTWAIT);
}

void ServiceNotifier::keep(std::string_view name, std::span<const Fd> fds) {
  send(fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name), 0);
  if (!fds.empty()) send(fmt::format("FDSTORE=1\nFDNAME={}", name), 0, fds);
}

void ServiceNotifier::send(const std::string& message, int flags, std::span<const Fd> fds) {
  if (address_.empty()) return;
  const auto sent = send_to(socket_, address_, message, flags, fds);
  if (!sent && sent_)
    log::warning("cannot notify the service manager", {{"why", sent.error().text}});
  sent_ = sent.has_value();
}

}  // namespace flannel
