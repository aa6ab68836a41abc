// SPDX-License-Identifier: Apache-2.0
// Implements `store status` and `store retire`: who has followed a move, and its end.
#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "ctl/config_text.h"
#include "ctl/store_commands.h"

namespace flannel {
namespace {

struct Move {
  OpenStore old;
  OpenStore now;
};

// The stores that the words name, which may get the secrets of `options`.
Result<CtlOptions> trusting_words(const CtlOptions& options) {
  CtlOptions trusted = options;
  for (const std::string& word : options.words) {
    const StoreAddress address = TRY(StoreAddress::parse(word));
    trusted = trusting(std::move(trusted), address);
  }
  return trusted;
}

Result<OpenStore> open_old(const CtlOptions& trusted) {
  const StoreAddress address = TRY(StoreAddress::parse(trusted.words[0]));
  OpenStore old = TRY(OpenStore::open(address, trusted));
  if (old.notes.to) return old;
  return fail(ErrorKind::not_found, to_string(old.address) + " does not move");
}

Result<OpenStore> open_new(const OpenStore& old, const CtlOptions& trusted) {
  const StoreAddress& address = old.notes.to->store;
  if (trusted.words.size() > 1 && trusted.words[1] != to_string(address)) {
    return fail(ErrorKind::conflict,
                fmt::format("{} moves to {}", to_string(old.address), to_string(address)));
  }
  return OpenStore::open(address, trusted);
}

std::vector<std::string> who_is_behind(const std::vector<FollowingHost>& hosts) {
  std::vector<std::string> behind;
  for (const FollowingHost& host : hosts) {
    if (!host.is_behind()) continue;
    behind.push_back(fmt::format("{} ({}) {}", to_string(host.lease.attributes.public_ips()),
                                 to_string(host.lease.subnet), to_string(host.following)));
  }
  return behind;
}

// A host may have taken a lease between the list and the note that retires the old store. Its lease
// is copied before the new store lets other hosts take subnets.
Result<void> copy_latecomers(Move& move, const Terminal& terminal) {
  TRY(move.old.refresh());
  TRY(move.now.refresh());
  const RemainingLives lives = TRY(move.old.remaining_lives());
  for (const FollowingHost& host : hosts_of_move(move.old.snapshot, move.now.snapshot)) {
    if (host.following != Following::missing) continue;
    const auto written =
        move.now.session.create(host.key, with_copy_mark(host.record.value, move.old.notes.to->id),
                                ttl_of_copy(host.record, lives, kCopyTtl));
    if (!written && written.error().kind != ErrorKind::exists) {
      return tl::unexpected(written.error());
    }
    terminal.out << fmt::format("the lease of {} on {} is copied\n",
                                to_string(host.lease.attributes.public_ips()),
                                to_string(host.lease.subnet));
  }
  return {};
}

// Says in the new store that it decides.
Result<void> complete(OpenStore& now, MoveNote note) {
  if (!now.snapshot.config) {
    return fail(ErrorKind::not_found, to_string(now.address) + " has no configuration");
  }
  note.retired = true;
  if (now.notes.from == note) return {};
  return now.write_notes({.to = now.notes.to, .from = note});
}

// An operator may have set another configuration in the old store since it was copied.
Result<void> check_configs_agree(const Move& move) {
  if (!move.now.snapshot.config) return {};  // complete() refuses that
  const auto old = TRY(with_move_notes(move.old.snapshot.config->text, {}));
  const auto now = TRY(with_move_notes(move.now.snapshot.config->text, {}));
  if (old == now) return {};
  return fail(ErrorKind::conflict,
              fmt::format("the two stores have different configurations, nothing is changed; "
                          "\"flannelctl store copy {} {}\" copies that of the old one again",
                          to_string(move.old.address), to_string(move.now.address)));
}

Result<void> retire_both(Move& move, const Terminal& terminal) {
  MoveNote note = *move.old.notes.to;
  // First in the old store: from then on no host regards it as the one that decides.
  if (!note.retired) {
    note.retired = true;
    TRY(move.old.write_notes({.to = note, .from = {}}));
  }
  TRY(copy_latecomers(move, terminal));
  return complete(move.now, {.id = note.id, .store = move.old.address, .retired = true});
}

// The old store is lost: only the new one can say so.
Result<void> retire_lost(const CtlOptions& trusted, const Error& lost, const Terminal& terminal) {
  if (!trusted.force || trusted.words.size() < 2) {
    return fail(lost.kind, lost.text +
                               "; if that store is lost for ever: \"flannelctl store retire "
                               "--force OLD NEW\"");
  }
  const StoreAddress address = TRY(StoreAddress::parse(trusted.words[1]));
  OpenStore now = TRY(OpenStore::open(address, trusted));
  if (!now.notes.from) {
    return fail(ErrorKind::not_found, to_string(now.address) + " is not the target of a move");
  }
  print_warnings({lost.text + ": no host was looked for there"}, terminal);
  TRY(complete(now, *now.notes.from));
  terminal.out << fmt::format(
      "{} decides now. Never start {} again: its hosts would go their own "
      "way\n",
      to_string(now.address), to_string(now.notes.from->store));
  return {};
}

}  // namespace

Result<void> run_store_status(const CtlOptions& options, const Terminal& terminal) {
  const CtlOptions trusted = TRY(trusting_words(options));
  const OpenStore old = TRY(open_old(trusted));
  const OpenStore now = TRY(open_new(old, trusted));
  const auto hosts = hosts_of_move(old.snapshot, now.snapshot);
  terminal.out << table_of(hosts);
  const auto behind = who_is_behind(hosts);
  terminal.out << fmt::format("{} moves to {}: {} of {} have followed{}\n", to_string(old.address),
                              to_string(now.address), hosts.size() - behind.size(), hosts.size(),
                              old.notes.to->retired ? "; it is retired" : "");
  return {};
}

Result<void> run_store_retire(const CtlOptions& options, const Terminal& terminal) {
  const CtlOptions trusted = TRY(trusting_words(options));
  auto old = open_old(trusted);
  if (!old && old.error().kind == ErrorKind::unavailable) {
    return retire_lost(trusted, old.error(), terminal);
  }
  if (!old) return tl::unexpected(old.error());
  OpenStore now = TRY(open_new(*old, trusted));
  Move move{*std::move(old), std::move(now)};
  const auto hosts = hosts_of_move(move.old.snapshot, move.now.snapshot);
  const auto behind = who_is_behind(hosts);
  const bool retired = move.old.notes.to->retired;
  if (!behind.empty()) print_warnings(behind, terminal);
  if (!behind.empty() && !retired && !options.force) {
    return fail(ErrorKind::conflict,
                fmt::format("{} of {} hosts have not followed, nothing is changed; --force leaves "
                            "them behind until they reach {}",
                            behind.size(), hosts.size(), to_string(move.now.address)));
  }
  if (!retired && !options.force) TRY(check_configs_agree(move));
  TRY(retire_both(move, terminal));
  terminal.out << fmt::format(
      "{} is retired, {} decides. Keep {} until every host starts with the new address\n",
      to_string(move.old.address), to_string(move.now.address), to_string(move.old.address));
  return {};
}

}  // namespace flannel
