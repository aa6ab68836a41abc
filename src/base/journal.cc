// SPDX-License-Identifier: Apache-2.0
#include "base/journal.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace flannel {

bool is_journal_stream(std::string_view stream, int fd) {
  struct stat found {};
  return ::fstat(fd, &found) == 0 &&
         stream == fmt::format("{}:{}", std::uintmax_t{found.st_dev}, std::uintmax_t{found.st_ino});
}

bool Journal::open() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  return stream != nullptr && is_journal_stream(stream, STDERR_FILENO) && open_socket();
}

bool Journal::open_socket() {
  socket_ = Fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  return static_cast<bool>(socket_);
}

// The address goes with each datagram: a connection would end with the journald of this moment.
bool Journal::send(const std::string& entry) const {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy_n(path_.begin(), std::min(path_.size(), sizeof to.sun_path - 1), to.sun_path);
  return ::sendto(socket_.get(), entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&to), sizeof to) >= 0;
}

// The stream is a socket. A part of a line may be sent, when the stream is almost full.
bool Journal::write(const std::string& line) const {
  return ::send(stream_, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

bool Journal::put(const std::string& entry, const std::string& line) const {
  return send(entry) || write(line);
}

void Journal::take(const std::string& entry, const std::string& line) {
  const std::lock_guard lock(mutex_);
  if (dropped_ != 0) {
    const std::string lost = fmt::format(
        "{} lines are missing here, because the journal did not take them in time", dropped_);
    if (put("MESSAGE=" + lost + "\nPRIORITY=4\nSYSLOG_IDENTIFIER=flanneld\n",
            "<4>" + lost + "\n")) {
      dropped_ = 0;
    }
  }
  if (dropped_ != 0 || !put(entry, line)) ++dropped_;
}

}  // namespace flannel
