// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace flannel {

// Reports the state of the daemon to the service manager (systemd: Type=notify). Without a manager
// that requested it, the calls have no effect. A message that cannot be sent is logged and is not
// an error. Loop thread only.
class ServiceNotifier {
 public:
  // Reads NOTIFY_SOCKET and removes it, so that child processes do not use it. Must be called
  // before any thread is started.
  static ServiceNotifier from_environment();

  // `address` is a path, or "@name" for an abstract socket; empty: there is no manager.
  explicit ServiceNotifier(std::string_view address);

  void ready(std::string_view status);  // start-up is complete
  void stopping();                      // shutdown has begun
  // Makes the manager keep copies of `fds` open for our next run (FDSTORE), in place of those that
  // it had under this name. Needs FileDescriptorStoreMax= in the unit; without it the manager
  // ignores the request.
  void keep(std::string_view name, std::span<const Fd> fds);
  // Sets the line of `systemctl status`. It is sent when it changes, and dropped if the manager
  // does not read fast enough.
  void status(std::string_view text);

 private:
  void send(const std::string& message, int flags, std::span<const Fd> fds = {});

  std::string address_;  // as the kernel expects it: with a leading zero byte if abstract
  std::string last_status_;
  Fd socket_;
  bool sent_ = true;  // the last message was sent, so the next failure is logged
};

}  // namespace flannel
