// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_follower.h"

#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel {

DockerFollower::DockerFollower(std::string network, Parts parts)
    : network_(std::move(network)), parts_(std::move(parts)) {}

void DockerFollower::wish(const std::optional<SubnetEnv>& env) {
  auto wished = env ? std::optional(WishedNetwork::of(network_, *env)) : std::nullopt;
  if (wished == wished_) return;
  wished_ = std::move(wished);
  asked_.reset();
  timer_.arm(parts_.loop.now());
}

std::vector<Problem> DockerFollower::problems() const {
  return problem_ ? std::vector{*problem_} : std::vector<Problem>();
}

void DockerFollower::check() {
  if (!wished_) return set_problem(std::nullopt);
  timer_.arm_after(kPause);
  if (asking_) return;
  const DockerSigns now = parts_.engine.signs(wished_->bridge());
  if (!now.hidden.empty()) return refused(now.hidden);
  if (!now.socket) return away(parts_.engine.describe() + " is not there");
  if (had_pid_file_ && !now.pid_file) return away("Docker was stopped: its pid file is gone");
  if (now == asked_ && parts_.loop.now() < due_) return;
  asked_ = now;
  ask();
}

void DockerFollower::away(const std::string& why) {
  asked_.reset();
  set_problem(make_problem(kDockerAway, parts_.engine.describe(), why));
}

void DockerFollower::refused(const std::string& why) {
  asked_.reset();
  set_problem(make_problem(kDockerRefused, parts_.engine.describe(), why));
}

void DockerFollower::ask() {
  asking_ = true;
  due_ = kNever;
  parts_.engine.list([this](const auto& there) { on_list(there); });
}

void DockerFollower::on_list(const Result<std::vector<DockerNetwork>>& there) {
  asking_ = false;
  if (!wished_) return;
  if (!there) return failed(there.error());
  const DockerSigns now = parts_.engine.signs(wished_->bridge());
  had_pid_file_ = now.pid_file.has_value();
  DockerStep step = next_step(*wished_, *there);
  if (step.make) return make();
  was_there_ = !step.problem;
  pauses_.reset();
  // The end of a problem with a network of ours shows in its bridge, unless another one has its
  // name. A Docker that stops has its pid file to the last, and systemd would start it again for a
  // question.
  const bool has_twin = step.problem && step.problem->kind == &kDockerNetworkTwice;
  if (step.problem && (now.bridge == 0 || has_twin)) due_ = parts_.loop.now() + kLongPause;
  set_problem(std::move(step.problem));
}

void DockerFollower::make() {
  if (std::exchange(was_there_, false)) {
    log::warning("Docker's network is gone, and is made again", {{"network", network_}});
  }
  asking_ = true;
  parts_.engine.make(*wished_,
                     [this, made = *wished_](const auto& result) { on_made(made, result); });
}

// The next check finds another sign, the bridge, and lists the networks once more.
void DockerFollower::on_made(const WishedNetwork& made, const Result<void>& result) {
  asking_ = false;
  if (!wished_) return;
  if (!result) return failed(result.error());
  asked_.reset();
  was_there_ = true;
  log::info("Docker has the network of this host", {{"network", made.name},
                                                    {"subnet", to_string(made.subnet)},
                                                    {"mtu", made.mtu},
                                                    {"bridge", made.bridge()}});
  set_problem(std::nullopt);
}

// Where nothing listens on the socket, a Docker that starts makes it anew.
void DockerFollower::failed(const Error& why) {
  const bool is_away = why.kind == ErrorKind::unavailable;
  due_ = parts_.loop.now() + (is_away ? kLongPause : pauses_.next());
  set_problem(
      make_problem(is_away ? kDockerAway : kDockerRefused, parts_.engine.describe(), why.text));
}

void DockerFollower::set_problem(std::optional<Problem> problem) {
  if (problem == problem_) return;
  problem_ = std::move(problem);
  parts_.on_state();
}

}  // namespace flannel
