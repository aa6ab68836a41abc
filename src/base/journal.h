// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace flannel {

// Returns true if `stream`, the value of JOURNAL_STREAM, names the file behind `fd`: systemd has
// connected it with the journal, and no program has redirected it since. Both numbers are decimal,
// as in "9:23471".
bool is_journal_stream(std::string_view stream, int fd);

// Writes entries to systemd's journal. libsystemd would wait for a journald that does not read;
// this class never waits. Usable from every thread.
class Journal {
 public:
  static constexpr std::string_view kSocket = "/run/systemd/journal/socket";

  // `stream`: the descriptor by which systemd has connected the process with the journal.
  explicit Journal(std::string_view path = kSocket, int stream = STDERR_FILENO)
      : path_(path), stream_(stream) {}

  // Returns false if standard error does not lead to the journal, or without a socket. Must be
  // called before take(), and before a filter of system calls is set.
  bool open();
  // The same without the question about standard error.
  bool open_socket();

  // Sends `entry`, a datagram of the native protocol, at most 200 kB. The queue of datagrams may be
  // as short as ten (net.unix.max_dgram_qlen): if it is full, or no journald listens, `line` goes
  // to the stream, which takes more. If the stream is full, too, the line is dropped. The number of
  // dropped lines is written before the next line.
  void take(const std::string& entry, const std::string& line);

 private:
  bool send(const std::string& entry) const;
  bool write(const std::string& line) const;
  bool put(const std::string& entry, const std::string& line) const;

  std::string path_;
  int stream_;
  Fd socket_;
  std::mutex mutex_;
  std::uint64_t dropped_ = 0;
};

}  // namespace flannel
