// SPDX-License-Identifier: Apache-2.0
#include "daemon/peer_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel {
namespace {

constexpr std::size_t kMostPeersNamed = 10;
// Until a subnet is looked at again that another peer still has.
constexpr auto kBlockedPause = std::chrono::milliseconds(200);

}  // namespace

void PeerCommands::set_commands(const BackendCommands& commands) {
  commands_ = commands;
  for (auto at = peers_.begin(); at != peers_.end(); ++at)
    queue(at);
}

void PeerCommands::adopt(const BackendCommands& commands,
                         const std::vector<CommandRecord::Peer>& peers) {
  for (const CommandRecord::Peer& there : peers) {
    Peer& peer = peers_[there.values.subnet.identity()];
    peer.made = Made{there.values, commands.add, commands.remove};
    peer.is_replayed = there.is_done;
    peer.cleans = !there.is_done;
  }
}

void PeerCommands::set_wanted(std::vector<CommandPeer> peers) {
  std::map<IpPrefix, CommandPeer> wanted;
  for (CommandPeer& peer : peers)
    wanted.insert_or_assign(peer.subnet.identity(), std::move(peer));
  for (auto& [name, peer] : wanted)
    peers_.try_emplace(name);
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    const auto found = wanted.find(at->first);
    std::optional<CommandPeer> next;
    if (found != wanted.end()) next = std::move(found->second);
    if (at->second.wanted == next && next) continue;
    at->second.wanted = std::move(next);
    at->second.pauses.reset();
    at->second.due = {};
    queue(at);
  }
}

void PeerCommands::go_on() {
  is_on_ = true;
  while (is_on_ && running_ < kMostAtOnce && !ready_.empty()) {
    const IpPrefix name = *ready_.begin();
    ready_.erase(ready_.begin());
    step(name);
  }
}

void PeerCommands::replay() {
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    Peer& peer = at->second;
    peer.due = {};
    if (peer.is_done && !peer.running) {
      peer.is_done = false;
      peer.is_replayed = true;
    }
    queue(at);
  }
  if (is_on_) go_on();
}

void PeerCommands::redo() {
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    at->second.cleans = true;
    at->second.due = {};
    queue(at);
  }
}

void PeerCommands::queue(Peers::iterator at) {
  if (at->second.due <= parts_.loop.now()) {
    ready_.insert(at->first);
  } else if (at->second.due < next_) {
    next_ = at->second.due;
    wake_.arm(next_);
  }
}

void PeerCommands::wake() {
  next_ = kNever;
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    if (at->second.due != TimePoint()) queue(at);
  }
  if (is_on_) go_on();
}

void PeerCommands::step(const IpPrefix& name) {
  const auto at = peers_.find(name);
  if (at == peers_.end() || at->second.running) return;
  Peer& peer = at->second;
  peer.due = {};
  if (must_be_removed(peer)) return remove(at);
  if (!peer.wanted) {
    peers_.erase(at);
    return parts_.on_state();
  }
  if (peer.is_done) return;
  if (!is_blocked(peer)) return add(at);
  peer.due = parts_.loop.now() + kBlockedPause;
  queue(at);
}

bool PeerCommands::must_be_removed(const Peer& peer) const {
  if (!peer.made) return false;
  return peer.cleans || peer.made->values != peer.wanted || peer.made->add != commands_.add ||
         peer.made->remove != commands_.remove;
}

// A subnet may pass from one lease to another whose first subnet is a different one.
bool PeerCommands::is_blocked(const Peer& peer) const {
  if (!peer.wanted->subnet.v6) return false;
  return std::ranges::any_of(peers_, [&](const auto& other) {
    return &other.second != &peer && other.second.made && must_be_removed(other.second) &&
           other.second.made->values.subnet.overlaps(peer.wanted->subnet);
  });
}

void PeerCommands::run(Peers::iterator at, const std::string& command, const CommandPeer& values,
                       void (PeerCommands::*ended)(Peers::iterator, std::string)) {
  ++running_;
  auto running = parts_.run(command, values, [this, at, ended](std::string failure) {
    --running_;
    at->second.running.reset();
    (this->*ended)(at, std::move(failure));
    if (is_on_) go_on();
  });
  if (running) {
    at->second.running = *std::move(running);
    return;
  }
  --running_;
  (this->*ended)(at, std::move(running.error().text));
}

void PeerCommands::remove(Peers::iterator at) {
  at->second.is_done = at->second.is_replayed = false;
  const Made made = *at->second.made;
  if (made.remove.empty()) return removed(at);
  run(at, made.remove, made.values, &PeerCommands::remove_ended);
}

void PeerCommands::removed(Peers::iterator at) {
  Peer& peer = at->second;
  peer.made.reset();
  peer.cleans = false;
  peer.failed_removals = 0;
  queue(at);
  parts_.on_state();
}

void PeerCommands::remove_ended(Peers::iterator at, std::string failure) {
  Peer& peer = at->second;
  if (failure.empty() || peer.cleans) return removed(at);
  if (++peer.failed_removals < kRemovals) {
    return try_later(at, "SubnetRemoveCommand", std::move(failure));
  }
  log::warning("SubnetRemoveCommand of a peer fails; what is left of the peer stays",
               {{"subnet", to_string(peer.made->values.subnet)}, {"why", failure}});
  peer.failure.clear();
  removed(at);
}

void PeerCommands::add(Peers::iterator at) {
  Peer& peer = at->second;
  peer.made = Made{*peer.wanted, commands_.add, commands_.remove};
  peer.failed_removals = 0;
  if (commands_.add.empty()) return add_ended(at, {});
  run(at, commands_.add, CommandPeer(*peer.wanted), &PeerCommands::add_ended);
}

void PeerCommands::add_ended(Peers::iterator at, std::string failure) {
  Peer& peer = at->second;
  const bool stays = std::exchange(peer.is_replayed, false);
  if (!failure.empty() && !stays) {
    peer.cleans = true;
    return try_later(at, "SubnetAddCommand", std::move(failure));
  }
  if (!failure.empty()) {
    log::info("SubnetAddCommand fails for a peer for which it succeeded before, which stays as is",
              {{"subnet", to_string(peer.made->values.subnet)}, {"why", failure}});
  }
  peer.is_done = true;
  peer.pauses.reset();
  peer.failure.clear();
  queue(at);  // it may be wanted with other values by now
  parts_.on_state();
}

void PeerCommands::try_later(Peers::iterator at, std::string_view command, std::string failure) {
  Peer& peer = at->second;
  peer.failure = fmt::format("{} of {}: {}", command, to_string(peer.made->values.subnet), failure);
  peer.due = parts_.loop.now() + peer.pauses.next();
  queue(at);
  parts_.on_state();
}

// What is to be removed counts as begun already: its command may begin before the next record.
std::vector<CommandRecord::Peer> PeerCommands::record() const {
  std::vector<CommandRecord::Peer> all;
  for (const auto& [name, peer] : peers_) {
    const bool by_others =
        peer.made && (peer.made->add != commands_.add || peer.made->remove != commands_.remove);
    if (by_others || (!peer.made && !peer.wanted)) continue;
    const bool is_done = (peer.is_done || peer.is_replayed) && !must_be_removed(peer);
    all.push_back({peer.made ? peer.made->values : *peer.wanted, is_done});
  }
  return all;
}

void PeerCommands::append_problems(std::vector<Problem>& all) const {
  std::size_t count = 0;
  for (const auto& [name, peer] : peers_) {
    if (peer.failure.empty() || ++count > kMostPeersNamed) continue;
    all.push_back(make_problem(kPeerCommandFails, to_string(name), peer.failure));
  }
  if (count > kMostPeersNamed)
    all.push_back(other_problems(kPeerCommandFails, count - kMostPeersNamed));
}

}  // namespace flannel
