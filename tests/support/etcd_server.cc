// SPDX-License-Identifier: Apache-2.0
#include "support/etcd_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/fd.h"

namespace flannel {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

ReservedPort::ReservedPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  // With this on both sides a server may listen on the port that is bound here.
  const int yes = 1;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  number_ = ntohs(address.sin_port);
}

Result<std::unique_ptr<EtcdServer>> EtcdServer::start(std::optional<EtcdTls> tls,
                                                      EtcdProgram program) {
  std::unique_ptr<EtcdServer> server(new EtcdServer(std::move(tls), std::move(program)));
  if (server->tls_) {
    const EtcdTls& files = *server->tls_;
    // Which names the certificate is for is the test's business.
    server->ctl_flags_ = {"--cert", files.cert, "--key", files.key, "--insecure-skip-tls-verify"};
  }
  TRY(server->start_again());
  return server;
}

std::string EtcdServer::url() const {
  return tls_ ? "https://127.0.0.1:" + std::to_string(port()) : url_of(port());
}

void EtcdServer::stop() {
  process_.reset();
}

Result<void> EtcdServer::start_again() {
  const std::string peer = peer_url();
  std::vector<std::string> command = {program_.path,
                                      "--data-dir",
                                      folder_.path() + "/data",
                                      "--listen-client-urls",
                                      url(),
                                      "--advertise-client-urls",
                                      url(),
                                      "--listen-peer-urls",
                                      peer,
                                      "--initial-advertise-peer-urls",
                                      peer,
                                      "--initial-cluster",
                                      "default=" + peer};
  if (!program_.before_3_4) {
    for (const char* word : {"--log-level", "error", "--logger", "zap"}) {
      command.emplace_back(word);
    }
    if (program_.v2) command.emplace_back("--enable-v2");
  }
  if (tls_) {
    command.insert(command.end(), {"--cert-file", tls_->cert, "--key-file", tls_->key});
    // A CA file alone makes etcd ask for client certificates too.
    if (tls_->client_certificates) {
      command.insert(command.end(), {"--client-cert-auth", "--trusted-ca-file", tls_->ca});
    }
  }
  command.insert(command.end(), program_.flags.begin(), program_.flags.end());
  process_ = TRY(ChildProcess::start(command, folder_.path() + "/log"));
  Result<std::string> answer;
  for (int tries = 0; tries < 100; ++tries) {
    answer = ctl({"member", "list"});
    // With authentication on, the refusal comes from an etcd that runs.
    if (answer || answer.error().text.find("user name is empty") != std::string::npos) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return Failure(std::move(answer.error()).during("wait for etcd"));
}

void EtcdServer::wipe() {
  stop();
  std::filesystem::remove_all(folder_.path() + "/data");
}

void EtcdServer::freeze() {
  process_->stop();
}
void EtcdServer::thaw() {
  process_->signal(SIGCONT);
}

Result<std::string> EtcdServer::ctl(std::vector<std::string> arguments) const {
  std::vector<std::string> command = {"env", "ETCDCTL_API=3",     "etcdctl", "--endpoints",
                                      url(), "--command-timeout", "5s"};
  command.insert(command.end(), ctl_flags_.begin(), ctl_flags_.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_command(command);
}

}  // namespace flannel
