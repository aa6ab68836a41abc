// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace flannel {

// Tells the service manager how we are (systemd: Type=notify). Without a manager that asked for
// it, every call does nothing. A message that cannot be sent is logged, never an error: a daemon
// does not stop for its supervisor's socket. Loop thread only.
class ServiceNotifier {
 public:
  // Reads NOTIFY_SOCKET and removes it, so that no child speaks in our name. Before any thread is
  // started.
  static ServiceNotifier from_environment();

  // `address`: a path, or "@name" for an abstract socket; empty: nobody asked.
  explicit ServiceNotifier(std::string_view address);

  void ready(std::string_view status);  // start-up is complete
  void stopping();                      // shutdown has begun
  // The manager keeps copies of these open for our next run (FDSTORE) in place of what it had under
  // this name; none: it keeps nothing. Needs FileDescriptorStoreMax= in the unit, else it refuses
  // in silence.
  void keep(std::string_view name, std::span<const Fd> fds);
  // One line for `systemctl status`; sent when it changes, dropped when the manager is behind.
  void status(std::string_view text);

 private:
  void send(const std::string& message, int flags, std::span<const Fd> fds = {});

  std::string address_;  // as the kernel wants it: a leading zero byte for an abstract one
  std::string last_status_;
  Fd socket_;
  bool heard_ = true;  // the last message was sent: the first failure after it is logged
};

}  // namespace flannel
