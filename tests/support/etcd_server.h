// SPDX-License-Identifier: Apache-2.0
// A real etcd on free loopback ports with its data in a temporary folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "support/child_process.h"
#include "support/temporary_folder.h"

namespace flannel {

struct EtcdTls {
  std::string ca, cert, key;         // the server's
  bool client_certificates = false;  // requires client certificates of the same CA
};

struct EtcdProgram {
  std::string path = "etcd";
  // Enables the v2 API too. etcd 3.3 always does, and has fewer flags.
  bool v2 = false;
  bool before_3_4 = false;
  std::vector<std::string> flags = {};  // further flags
};

// Reserves a TCP port of 127.0.0.1 while this object exists: no other test and no outgoing
// connection gets it. No process listens at the port until a test starts one.
class ReservedPort {
 public:
  ReservedPort();
  std::uint16_t number() const { return number_; }

 private:
  Fd socket_;
  std::uint16_t number_ = 0;
};

// Returns the URL of a server without TLS: "http://127.0.0.1:port".
inline std::string url_of(std::uint16_t port) {
  return "http://127.0.0.1:" + std::to_string(port);
}

class EtcdServer {
 public:
  // True if etcd and etcdctl are installed. Otherwise a test must report that it is skipped.
  static bool installed() { return program_installed("etcd") && program_installed("etcdctl"); }

  // Starts the server and returns when it answers.
  static Result<std::unique_ptr<EtcdServer>> start(std::optional<EtcdTls> tls = {},
                                                   EtcdProgram program = {});

  std::string url() const;
  std::uint16_t port() const { return port_.number(); }
  std::string peer_url() const { return url_of(peer_port_.number()); }

  void stop();  // SIGKILL; the data stays
  Result<void> start_again();
  void wipe();    // the data too
  void freeze();  // SIGSTOP
  void thaw();

  // Runs etcdctl (v3) against this server. with_user() returns flags for `ctl_flags`.
  Result<std::string> ctl(std::vector<std::string> arguments) const;
  void with_ctl_flags(std::vector<std::string> flags) { ctl_flags_ = std::move(flags); }

 private:
  EtcdServer(std::optional<EtcdTls> tls, EtcdProgram program)
      : tls_(std::move(tls)), program_(std::move(program)) {}

  TemporaryFolder folder_;
  std::optional<EtcdTls> tls_;
  EtcdProgram program_;
  std::vector<std::string> ctl_flags_;
  ReservedPort port_, peer_port_;
  std::optional<ChildProcess> process_;
};

}  // namespace flannel
