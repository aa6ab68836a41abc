// SPDX-License-Identifier: Apache-2.0
// A twin of Docker, with its networks in memory.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "docker/docker_engine.h"
#include "loop/loop.h"

namespace flannel {

class FakeDocker final : public DockerEngine {
 public:
  explicit FakeDocker(Loop& loop) : loop_(loop) {}

  // ---- what a test does

  void start() {
    runs_ = true;
    ++starts_;
    signs_.pid_file = {1, starts_};
    if (!keeps_socket) signs_.socket = {1, starts_};
  }
  void stop() {
    runs_ = false;
    signs_.pid_file.reset();
    if (!keeps_socket) signs_.socket.reset();
  }
  // systemd listens on the socket, and starts Docker when it is asked.
  void listen() {
    keeps_socket = true;
    signs_.socket = {1, 0};
  }
  void remove(const std::string& name) {
    std::erase_if(networks, [&](const DockerNetwork& one) { return one.name == name; });
    signs_.bridge = 0;
  }
  void hide(const std::string& why) {
    signs_.hidden = why;
    signs_.socket.reset();
    signs_.pid_file.reset();
  }
  void has_no_pid_file() { signs_.pid_file.reset(); }
  // Sends the answers that it kept while it was slow.
  void hurry() {
    is_slow = false;
    for (auto& work : std::exchange(held_, {}))
      later(std::move(work));
  }

  std::vector<DockerNetwork> networks;
  std::optional<Error> refusal;   // of each call
  std::function<void()> on_list;  // after the answer is made, and before it arrives
  int lists = 0;
  std::vector<std::string> made;  // "flannel 10.5.34.0/24 1450"
  bool keeps_socket = false;
  bool is_slow = false;  // keeps its answers

  // ---- DockerEngine

  DockerSigns signs(const std::string&) const override { return signs_; }
  void list(std::function<void(Result<std::vector<DockerNetwork>>)> reply) override {
    ++lists;
    answer(std::move(reply));
    if (on_list) std::exchange(on_list, {})();
  }
  void make(const WishedNetwork& wished, std::function<void(Result<void>)> reply) override {
    made.push_back(wished.name + " " + to_string(wished.subnet) + " " + std::to_string(wished.mtu));
    networks.push_back({wished.name, "bridge", values_of(wished.subnet), wished.mtu, true});
    signs_.bridge = static_cast<unsigned>(made.size()) + 2;
    later([reply] { reply({}); });
  }
  std::string describe() const override { return "/run/docker.sock"; }

 private:
  void answer(std::function<void(Result<std::vector<DockerNetwork>>)> reply) {
    if (refusal) return later([reply, why = *refusal] { reply(Failure(why)); });
    if (!runs_ && keeps_socket) start();
    if (!runs_) return later([reply] { reply(fail(ErrorKind::unavailable, "gone")); });
    later([reply, now = networks] { reply(now); });
  }
  void later(std::function<void()> work) {
    if (is_slow) {
      held_.push_back(std::move(work));
    } else {
      loop_.poster()->post(std::move(work));
    }
  }

  Loop& loop_;
  bool runs_ = false;
  int starts_ = 0;
  std::vector<std::function<void()>> held_;
  DockerSigns signs_;
};

}  // namespace flannel
