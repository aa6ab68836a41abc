// SPDX-License-Identifier: Apache-2.0
#include "support/consul_server.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace flannel {

std::string ConsulServer::program() {
  const char* path = std::getenv("FLANNEL_CONSUL");
  return path ? path : "";
}

Result<std::unique_ptr<ConsulServer>> ConsulServer::start(std::string settings, std::string token) {
  std::unique_ptr<ConsulServer> server(
      new ConsulServer("\"bootstrap\":true," + std::move(settings), std::move(token)));
  TRY(server->start_again());
  return server;
}

Result<std::unique_ptr<ConsulServer>> ConsulServer::start_client(const ConsulServer& server) {
  std::unique_ptr<ConsulServer> client(
      new ConsulServer(fmt::format(R"("retry_interval":"1s","retry_join":["127.0.0.1:{}"],)",
                                   server.serf_lan_.number()),
                       server.token_));
  client->client_ = true;
  TRY(client->start_again());
  return client;
}

Result<std::vector<std::unique_ptr<ConsulServer>>> ConsulServer::start_cluster(int count) {
  std::vector<std::unique_ptr<ConsulServer>> servers;
  std::string members;
  for (int i = 0; i < count; ++i) {
    servers.emplace_back(new ConsulServer({}, {}));
    members +=
        fmt::format("{}\"127.0.0.1:{}\"", i > 0 ? "," : "", servers.back()->serf_lan_.number());
  }
  for (const auto& server : servers) {
    server->settings_ = fmt::format(
        R"("bootstrap_expect":{},"retry_interval":"1s","retry_join":[{}],)", count, members);
    TRY(server->start_program());
  }
  for (const auto& server : servers)
    TRY(server->wait_for_leader());
  return servers;
}

// Consul refuses TTLs below ten seconds without session_ttl_min. Its Raft waits five times as long
// by default, for slow machines.
Result<void> ConsulServer::start_program() {
  const std::string file = folder_.path() + "/consul.json";
  std::ofstream out(file);
  const int https = settings_.find("cert_file") == std::string::npos ? -1 : https_.number();
  out << fmt::format(
      R"({{{}"server":{},"node_name":"{}","data_dir":"{}/data","bind_addr":"127.0.0.1",)"
      R"("client_addr":"127.0.0.1","session_ttl_min":"1s","performance":{{"raft_multiplier":1}},)"
      R"("disable_update_check":true,"limits":{{"http_max_conns_per_client":1000}},)"
      R"("ports":{{"http":{},"https":{},"server":{},"serf_lan":{},"serf_wan":{},"dns":-1,"grpc":-1}}}})",
      settings_, !client_, name(), folder_.path(), http_.number(), https, server_.number(),
      serf_lan_.number(), serf_wan_.number());
  out.close();
  if (!out) return fail(ErrorKind::system, "write " + file);
  process_.emplace(TRY(
      ChildProcess::start({program(), "agent", "-config-file", file}, folder_.path() + "/log")));
  return {};
}

Result<void> ConsulServer::start_again() {
  TRY(start_program());
  return wait_for_leader();
}

Result<void> ConsulServer::wait_for_leader() const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < end) {
    const auto leader = request("GET", "/v1/status/leader");
    // A new leader serves reads a moment after it is known.
    if (leader && leader->size() > 2 && request("GET", "/v1/catalog/nodes?consistent")) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fail(ErrorKind::unavailable, name() + " has no leader after 60 s");
}

void ConsulServer::thaw() {
  process_->signal(SIGCONT);
}

Result<std::string> ConsulServer::request(const std::string& method, const std::string& path,
                                          const std::string& body) const {
  return run_command({"curl", "-s", "--fail", "--max-time", "10", "-X", method, "--data-binary",
                      body, "-H", "X-Consul-Token: " + token_, url() + path});
}

Result<std::string> ConsulServer::run(std::vector<std::string> command) const {
  command.insert(command.begin(), program());
  // Flags come after the words of a command and before its arguments.
  const auto after = command.begin() + (command.size() > 2 ? 3 : 2);
  command.insert(after, {"-http-addr=" + url(), "-token=" + token_});
  return run_command(command);
}

}  // namespace flannel
