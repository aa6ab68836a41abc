// SPDX-License-Identifier: Apache-2.0
// The part of Dataplanes that is about the commands of a backend, and about its keys.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "daemon/dataplanes.h"

namespace flannel {

// The record of what they have done is one for all.
Result<void> Dataplanes::open_commands(Dataplane& plane) {
  const Companion companion = plane.backend->companion(plane.host);
  const auto* settings = std::get_if<CommandSettings>(&companion);
  if (settings == nullptr) return {};
  if (!undone_.empty()) {
    return fail(ErrorKind::unavailable,
                "what commands of the extension backend made before is still being removed");
  }
  const auto on_state = [this, &plane] {
    plane.host.startup_output = plane.commands->output();
    parts_.on_commands();
  };
  plane.commands = std::make_unique<CommandRunner>(
      *settings,
      CommandRunner::Parts{.loop = parts_.loop, .host = parts_.host, .on_state = on_state});
  plane.commands->start();
  plane.host.startup_output = plane.commands->output();
  return {};
}

// One key exchange would end the tunnels that another one has begun.
Result<void> Dataplanes::open_keys(Dataplane& plane) {
  const Companion companion = plane.backend->companion(plane.host);
  const auto* settings = std::get_if<IpsecSettings>(&companion);
  if (settings == nullptr) return {};
  if (!undone_.empty()) {
    return fail(ErrorKind::unavailable, "the tunnels of the ipsec backend are still being ended");
  }
  plane.keys = parts_.host.open_key_exchange(*settings, parts_.on_commands);
  return {};
}

template <typename Withdrawn>
void Dataplanes::undo(std::unique_ptr<Withdrawn> withdrawn) {
  ++undoing_;
  Withdrawn& each = *withdrawn;
  undone_.emplace_back(std::move(withdrawn));
  each.withdraw([this] { one_undone(); });
}

void Dataplanes::one_undone() {
  --undoing_;
  undone_due_.arm(parts_.loop.now());
}

void Dataplanes::undo_all(Dataplane& plane) {
  if (plane.commands) undo(std::move(plane.commands));
  if (plane.keys) undo(std::move(plane.keys));
}

void Dataplanes::undo_record() {
  const auto has_commands = [](const auto& plane) { return plane->commands != nullptr; };
  if (std::ranges::any_of(all_, has_commands)) return;
  const auto record = CommandRunner::read_record(parts_.host);
  if (!record) return;
  log::info("removing what commands of the extension backend made in an earlier run");
  undo(std::make_unique<CommandRunner>(
      *record, CommandRunner::Parts{.loop = parts_.loop, .host = parts_.host, .on_state = [] {}}));
}

// A turn of its own, because the last of them has called.
void Dataplanes::on_undone() {
  if (undoing_ > 0) return;
  undone_.clear();
  if (const auto ended = std::exchange(ended_, nullptr)) return ended();
  parts_.on_change();
}

void Dataplanes::end_commands(std::function<void()> done) {
  for (const auto& plane : all_) {
    if (plane->commands && plane->commands->removes_at_exit()) undo(std::move(plane->commands));
  }
  if (undone_.empty()) return done();
  ended_ = std::move(done);
}

void Dataplanes::replay_commands() {
  for (const auto& plane : all_) {
    if (plane->commands) plane->commands->replay();
  }
}

}  // namespace flannel
