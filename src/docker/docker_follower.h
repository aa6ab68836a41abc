// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/problem.h"
#include "core/subnet_env.h"
#include "docker/docker_engine.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Sees to it that Docker has the network of --docker-network: makes it when Docker answers and does
// not have it, and says what keeps it from being right. Docker keeps it, so neither of the two
// waits for the other. Loop thread only.
//
//   every 2 s: other signs? ─▶ list ─▶ next_step() ─▶ nothing | make | problem
//
// Docker is asked only where the signs have changed, and again while there is a problem. The stream
// of its notifications (/events) is not used: Docker 28 takes four seconds longer to stop while it
// is open. And systemd, which may listen on the socket in Docker's place, starts Docker for each
// client: so Docker is not asked once its pid file is gone.
class DockerFollower {
 public:
  static constexpr Duration kPause = std::chrono::seconds(2);
  // Between two questions while there is a problem that the signs may not show to be over.
  static constexpr Duration kLongPause = std::chrono::seconds(10);

  struct Parts {
    Loop& loop;                      // must outlive the follower
    DockerEngine& engine;            // must outlive the follower
    std::function<void()> on_state;  // problems() may have changed
  };

  DockerFollower(std::string network, Parts parts);

  // What containers of this host may use now; nullopt: nothing, because the host has no subnet.
  // Docker is not asked before the first value.
  void wish(const std::optional<SubnetEnv>& env);

  std::vector<Problem> problems() const;

 private:
  void check();
  void away(const std::string& why);
  void refused(const std::string& why);
  void ask();
  void on_list(const Result<std::vector<DockerNetwork>>& there);
  void make();
  void on_made(const WishedNetwork& made, const Result<void>& result);
  void failed(const Error& why);
  void set_problem(std::optional<Problem> problem);

  std::string network_;
  Parts parts_;
  std::optional<WishedNetwork> wished_;
  std::optional<DockerSigns> asked_;  // the signs when Docker was asked last; nullopt: ask
  TimePoint due_ = kNever;            // ask then, even if the signs are the same
  bool asking_ = false;
  bool had_pid_file_ = false;  // when Docker answered last
  bool was_there_ = false;     // the network, as it is to be, when Docker answered last
  std::optional<Problem> problem_;
  Backoff pauses_{kPause, std::chrono::seconds(30)};
  Timer timer_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
