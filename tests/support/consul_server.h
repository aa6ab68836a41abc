// SPDX-License-Identifier: Apache-2.0
// A real Consul server, or client agent, on free loopback ports, with its data in a temporary
// folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "support/child_process.h"
#include "support/etcd_server.h"
#include "support/temporary_folder.h"

namespace flannel {

class ConsulServer {
 public:
  // The program that FLANNEL_CONSUL names; empty: none is named.
  static std::string program();

  // Starts a cluster of one server and returns when it has a leader. `settings` are further members
  // of its configuration, such as "\"acl\":{...},". `token` has the right to everything, if ACLs
  // are enabled.
  static Result<std::unique_ptr<ConsulServer>> start(std::string settings = {},
                                                     std::string token = {});
  // Starts a client agent, as there is one on each host, and returns when it reaches `server`.
  static Result<std::unique_ptr<ConsulServer>> start_client(const ConsulServer& server);
  // Starts a cluster of `count` servers and returns when all know a leader.
  static Result<std::vector<std::unique_ptr<ConsulServer>>> start_cluster(int count);

  std::string url() const { return url_of(http_.number()); }
  // For a server whose `settings` name a "cert_file".
  std::string tls_url() const { return "https://127.0.0.1:" + std::to_string(https_.number()); }
  std::string name() const { return "agent-" + std::to_string(http_.number()); }
  // The answer of /v1/status/leader if this server is the leader.
  std::string address() const { return "\"127.0.0.1:" + std::to_string(server_.number()) + "\""; }

  void stop() { process_->kill(); }  // SIGKILL; the data stays
  Result<void> start_again();        // returns when there is a leader
  void freeze() { process_->stop(); }
  void thaw();

  // Sends a request with curl and returns the body of the answer.
  Result<std::string> request(const std::string& method, const std::string& path,
                              const std::string& body = {}) const;
  // Runs "consul COMMAND..." against this server.
  Result<std::string> run(std::vector<std::string> command) const;

 private:
  ConsulServer(std::string settings, std::string token)
      : settings_(std::move(settings)), token_(std::move(token)) {}
  Result<void> start_program();
  Result<void> wait_for_leader() const;

  TemporaryFolder folder_;
  std::string settings_, token_;
  bool client_ = false;
  ReservedPort http_, https_, server_, serf_lan_, serf_wan_;
  std::optional<ChildProcess> process_;
};

}  // namespace flannel
