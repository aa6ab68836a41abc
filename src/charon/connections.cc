// SPDX-License-Identifier: Apache-2.0
#include "charon/connections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/printable.h"
#include "base/problem_kinds.h"
#include "charon/connection.h"

namespace flannel {
namespace {

constexpr std::chrono::seconds kFirstLook{2};
constexpr std::size_t kMostNamed = 100;

// States of a tunnel that has keys in the kernel (child_sa_state_t in strongSwan).
constexpr auto kStanding =
    std::to_array<std::string_view>({"INSTALLED", "UPDATING", "REKEYING", "REKEYED"});

bool succeeded(const ViciSection& answer) {
  return answer.value("success") == "yes";
}

// True if the tunnels of a list-sa event stand, or are being begun.
bool stands(const ViciSection& ike) {
  if (ike.value("state") == "CONNECTING") return true;
  const ViciSection* children = ike.section("child-sas");
  return children && std::ranges::any_of(children->sections, [](const auto& child) {
           const auto state = child.second.value("state");
           return state && std::ranges::find(kStanding, *state) != kStanding.end();
         });
}

}  // namespace

void CharonConnections::set_wanted(const IpsecSettings& settings,
                                   const std::vector<IpsecPeer>& peers) {
  is_wanted_ = true;
  for (auto& [name, item] : items_)
    item.before = std::exchange(item.wanted, std::nullopt);
  for (const IpsecPeer& peer : peers) {
    for (const IpAddress& ip : {peer.own_ip, peer.ip})
      want(Kind::key, key_id(ip), key_of(ip, settings));
    want(Kind::connection, connection_name(peer), connection_of(peer, settings), child_name(peer));
  }
  queue_all();
}

void CharonConnections::want(Kind kind, std::string name, ViciSection arguments,
                             std::string child) {
  Item& item = items_[{kind, std::move(name)}];
  // What was refused may be right now.
  if (std::exchange(item.before, std::nullopt) != arguments) {
    item.due = {};
    item.pauses.reset();
    item.failure.clear();
  }
  item.wanted = std::move(arguments);
  item.child = std::move(child);
}

void CharonConnections::connected(ViciPort& port) {
  port_ = &port;
  look_due_ = parts_.loop.now() + kFirstLook;
  look_.arm(look_due_);
  list("get-shared", "keys", Kind::key, [this] {
    list("get-conns", "conns", Kind::connection, [this] {
      is_listed_ = true;
      queue_all();
    });
  });
}

void CharonConnections::disconnected() {
  port_ = nullptr;
  is_busy_ = is_listed_ = false;
  look_.cancel();
  retry_.cancel();
  ready_.clear();
  to_begin_.clear();
  to_end_.clear();
  std::erase_if(items_, [](const auto& item) { return !item.second.wanted; });
  for (auto& [name, item] : items_) {
    item.loaded.reset();
    item.is_there = false;
    item.due = {};
  }
}

bool CharonConnections::is_empty() const {
  return is_listed_ && !is_busy_ &&
         std::ranges::none_of(items_, [](const auto& item) { return item.second.is_there; });
}

void CharonConnections::call(std::string_view command, const ViciSection& arguments,
                             ViciPort::Answered done) {
  is_busy_ = true;
  port_->call(command, arguments, [this, done = std::move(done)](const ViciSection& answer) {
    is_busy_ = false;
    done(answer);
    step();
    if (ready_.empty()) parts_.on_state();
  });
}

// Notes which items of ours charon has.
void CharonConnections::list(std::string_view command, std::string_view list, Kind kind,
                             std::function<void()> next) {
  call(command, {}, [this, list, kind, next = std::move(next)](const ViciSection& answer) {
    const std::vector<std::string> none;
    const std::vector<std::string>* names = answer.list(list);
    for (const std::string& name : names ? *names : none) {
      const bool is_ours = kind == Kind::key ? is_key_id(name) : is_connection_name(name);
      if (is_ours) items_[{kind, name}].is_there = true;
    }
    next();
  });
}

// Nothing is done of an item whose next attempt is due later.
void CharonConnections::queue(const Name& name) {
  const auto at = items_.find(name);
  if (at == items_.end() || !is_listed_) return;
  const Item& item = at->second;
  const bool is_key = name.first == Kind::key;
  int order = 0;
  if (item.wanted && item.loaded != item.wanted) {
    order = is_key ? 0 : 2;
  } else if (!item.wanted && item.is_there) {
    order = is_key ? 3 : 1;
  } else {
    if (!item.wanted) items_.erase(at);
    return;
  }
  if (item.due <= parts_.loop.now()) {
    ready_.insert({order, name});
  } else if (item.due < retry_.due()) {
    retry_.arm(item.due);
  }
}

void CharonConnections::queue_all() {
  if (!is_wanted_) return;
  ready_.clear();
  std::vector<Name> names;
  for (const auto& [name, item] : items_)
    names.push_back(name);
  for (const Name& name : names)
    queue(name);
  step();
}

void CharonConnections::step() {
  if (port_ == nullptr || is_busy_ || !is_listed_ || !is_wanted_) return;
  if (!ready_.empty()) {
    const Name name = ready_.extract(ready_.begin()).value().second;
    const auto at = items_.find(name);
    if (at == items_.end()) return step();
    return at->second.wanted ? load(name) : unload(name);
  }
  if (!to_end_.empty()) return terminate(to_end_.extract(to_end_.begin()).value());
  if (!to_begin_.empty()) {
    const std::string name = to_begin_.extract(to_begin_.begin()).value();
    const auto at = items_.find({Kind::connection, name});
    if (at == items_.end() || !at->second.loaded) return step();
    const ViciSection arguments{
        .values = {{"ike", name}, {"child", at->second.child}, {"timeout", "-1"}}};
    return call("initiate", arguments, [](const ViciSection&) {});
  }
  if (look_due_ <= parts_.loop.now()) look();
}

void CharonConnections::load(const Name& name) {
  const ViciSection arguments = *items_.at(name).wanted;
  const std::string_view command = name.first == Kind::key ? "load-shared" : "load-conn";
  call(command, arguments,
       [this, name, arguments](const ViciSection& answer) { loaded(name, arguments, answer); });
}

void CharonConnections::loaded(const Name& name, const ViciSection& arguments,
                               const ViciSection& answer) {
  const auto at = items_.find(name);
  if (at == items_.end()) return;
  Item& item = at->second;
  if (succeeded(answer)) {
    item.is_there = true;
    item.loaded = arguments;
    item.failure.clear();
    item.pauses.reset();
    log::verbose(2, "charon has loaded it", {{"what", name.second}});
  } else {
    item.failure = printable(shortened(answer.value("errmsg").value_or("without a reason")));
    item.due = parts_.loop.now() + item.pauses.next();
  }
  queue(name);
}

void CharonConnections::unload(const Name& name) {
  const bool is_key = name.first == Kind::key;
  const ViciSection arguments{.values = {{is_key ? "id" : "name", name.second}}};
  call(is_key ? "unload-shared" : "unload-conn", arguments,
       [this, name](const ViciSection&) { unloaded(name); });
}

// It failed only if it was not there.
void CharonConnections::unloaded(const Name& name) {
  const auto at = items_.find(name);
  if (at == items_.end()) return;
  at->second.is_there = false;
  at->second.loaded.reset();
  if (name.first == Kind::connection && !at->second.wanted) to_end_.insert(name.second);
  log::verbose(2, "charon has unloaded it", {{"what", name.second}});
  queue(name);
}

// Charon says that it failed if there is none.
void CharonConnections::terminate(const std::string& connection) {
  const ViciSection arguments{.values = {{"ike", connection}, {"force", "yes"}, {"timeout", "-1"}}};
  call("terminate", arguments, [](const ViciSection&) {});
}

void CharonConnections::look() {
  standing_.clear();
  is_busy_ = true;
  const auto note = [this](const ViciSection& row) {
    for (const auto& [name, ike] : row.sections) {
      if (is_connection_name(name) && stands(ike)) standing_.insert(name);
    }
  };
  const auto done = [this](const ViciSection&) {
    is_busy_ = false;
    look_due_ = parts_.loop.now() + kLookPause;
    look_.arm(look_due_);
    judge();
    step();
    parts_.on_state();
  };
  port_->call("list-sas", {.values = {{"noblock", "yes"}}}, done, "list-sa", note);
}

void CharonConnections::judge() {
  for (const auto& [name, item] : items_) {
    if (name.first != Kind::connection || item.loaded != item.wanted || !item.wanted) continue;
    if (!standing_.contains(name.second)) to_begin_.insert(name.second);
  }
  for (const std::string& name : standing_) {
    const auto at = items_.find({Kind::connection, name});
    if (at == items_.end()) to_end_.insert(name);
  }
}

void CharonConnections::append_problems(std::vector<Problem>& all) const {
  std::size_t failed = 0;
  for (const auto& [name, item] : items_) {
    if (item.failure.empty() || !item.wanted) continue;
    if (++failed > kMostNamed) continue;
    all.push_back(make_problem(kCharonRefuses, name.second,
                               fmt::format("charon refuses {}: {}", name.second, item.failure)));
  }
  if (failed > kMostNamed) all.push_back(other_problems(kCharonRefuses, failed - kMostNamed));
}

}  // namespace flannel
