// SPDX-License-Identifier: Apache-2.0
// Implements `store copy` and `store abandon`: the beginning of a move, and the way back.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <random>

#include "base/parse.h"
#include "base/printable.h"
#include "ctl/config_text.h"
#include "ctl/store_commands.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

// A host may write its record between the list and the copy.
constexpr int kAttempts = 5;

std::string new_id() {
  std::random_device chance;
  return fmt::format("{:08x}{:08x}", chance(), chance());
}

std::string_view act_of(const CopyStep& step) {
  constexpr std::array<std::string_view, 4> kActs = {"copy", "replace", "remove", "is there"};
  return kActs[step.act.index()];
}

// How long the original of a record lives on, for people.
std::string life_text(const CopyStep& step, const RemainingLives& lives) {
  if (std::holds_alternative<CopyStep::Remove>(step.act)) return "-";
  if (step.reservation) return "for ever";
  const auto left = lives.left.find(step.key);
  if (left == lives.left.end()) return "not known";
  return fmt::format("{}{} s", lives.exact ? "" : "at most ", left->second.count());
}

void print_plan(const CopyPlan& plan, const RemainingLives& lives, const Terminal& terminal) {
  std::vector<std::vector<std::string>> rows = {{"ACT", "KEY", "KIND", "LIVES ON", "OWNER"}};
  for (const CopyStep& step : plan.steps) {
    rows.push_back({std::string(act_of(step)), step.key, step.reservation ? "reservation" : "lease",
                    life_text(step, lives), step.owner});
  }
  terminal.out << "configuration of the new store:\n";
  for (const std::string_view line : split(plan.config_of_to, '\n'))
    terminal.out << printable(line) << "\n";
  terminal.out << text_table(rows);
}

bool is_race(const Error& error) {
  return error.kind == ErrorKind::conflict || error.kind == ErrorKind::exists ||
         error.kind == ErrorKind::not_found;
}

// The note of the new store comes first, so that a host which is started with it goes back to the
// old one; the note of the old store comes last, when there is something to follow to.
Result<void> perform_plan(const CopyPlan& plan, OpenStore& from, OpenStore& to) {
  TRY_DURING(to.session.write_config(plan.config_of_to, plan.seen_of_to),
             "write the configuration of " + to_string(to.address));
  for (const CopyStep& step : plan.steps)
    TRY(perform(step, to.session));
  TRY_DURING(from.session.write_config(plan.config_of_from, plan.seen_of_from),
             "write the note into " + to_string(from.address));
  return {};
}

Result<CopyPlan> copy_once(CopyRequest request, OpenStore& from, OpenStore& to) {
  request.lives = TRY(from.remaining_lives());
  CopyPlan plan = TRY(plan_copy(from.snapshot, to.snapshot, request));
  TRY(perform_plan(plan, from, to));
  return plan;
}

Result<CopyPlan> copy(const CopyRequest& request, OpenStore& from, OpenStore& to) {
  for (int left = kAttempts;; --left) {
    auto done = copy_once(request, from, to);
    if (done || left == 1 || !is_race(done.error())) return done;
    const std::string why = done.error().text;
    TRY(from.refresh());
    TRY(to.refresh());
    // An objection of the plan does not go away by planning again.
    if (auto again = plan_copy(from.snapshot, to.snapshot, request); !again) {
      return tl::unexpected(again.error());
    }
  }
}

// What is left in the new store of a move that is given up.
struct Leftovers {
  std::size_t removed = 0;   // copies
  std::size_t followed = 0;  // leases that their hosts have written, or that are of no host
};

// Removes the copies that no host has made its own. The records of hosts that had followed end by
// themselves, since these hosts do not renew them any more; reservations without a host have no
// mark that distinguishes a copy from what an operator has written.
Result<Leftovers> remove_copies(const MoveNote& move, const CtlOptions& options) {
  OpenStore now = TRY(OpenStore::open(move.store, options));
  if (!now.notes.from || now.notes.from->id != move.id) {
    return fail(ErrorKind::conflict, to_string(now.address) + " has no note of this move");
  }
  Leftovers left;
  for (const Record& record : now.snapshot.records) {
    now.session.restart_deadline();
    const bool copied = has_copy_mark(record.value);
    const auto gone = copied ? now.session.release(record) : Result<void>();
    if (!gone && !is_race(gone.error())) return tl::unexpected(gone.error());
    ++(copied && gone ? left.removed : left.followed);
  }
  return left;
}

}  // namespace

Result<void> run_store_copy(const CtlOptions& options, const Terminal& terminal) {
  const StoreAddress old = TRY(StoreAddress::parse(options.words[0]));
  const StoreAddress now = TRY(StoreAddress::parse(options.words[1]));
  const CopyRequest request{
      .from = old, .to = now, .new_id = new_id(), .ttl = kCopyTtl, .force = options.force};
  if (request.from == request.to) {
    return fail(ErrorKind::invalid, "a store cannot be copied to itself");
  }
  const CtlOptions trusted = trusting(trusting(options, old), now);
  OpenStore from = TRY(OpenStore::open(request.from, trusted));
  if (options.dry_run) {
    const auto to = OpenStore::open_target(request.to, trusted, false);
    if (!to && to.error().kind != ErrorKind::not_found) return tl::unexpected(to.error());
    CopyRequest all = request;
    all.force = true;
    all.lives = TRY(from.remaining_lives());
    const CopyPlan plan = TRY(plan_copy(from.snapshot, to ? to->snapshot : Snapshot(), all));
    print_plan(plan, all.lives, terminal);
    print_warnings(plan.remarks, terminal);
    print_warnings(plan.objections, terminal);
    return {};
  }
  OpenStore to = TRY(OpenStore::open_target(request.to, trusted, true));
  const CopyPlan plan = TRY(copy(request, from, to));
  print_warnings(plan.remarks, terminal);
  print_warnings(plan.objections, terminal);
  terminal.out << fmt::format(
      "{} records copied to {}. The hosts follow now; {} decides until it is retired:\n"
      "  flannelctl store status {}\n  flannelctl store retire {}\n",
      plan.steps.size(), to_string(request.to), to_string(request.from), to_string(request.from),
      to_string(request.from));
  return {};
}

Result<void> run_store_abandon(const CtlOptions& options, const Terminal& terminal) {
  const StoreAddress address = TRY(StoreAddress::parse(options.words[0]));
  OpenStore old = TRY(OpenStore::open(address, trusting(options, address)));
  if (!old.notes.to) {
    return fail(ErrorKind::not_found, to_string(old.address) + " does not move");
  }
  const MoveNote move = *old.notes.to;
  const std::string to = to_string(move.store);
  if (move.retired) {
    return fail(ErrorKind::conflict,
                fmt::format("{} is retired; \"flannelctl store copy {} {}\" moves back",
                            to_string(old.address), to, to_string(old.address)));
  }
  // First the note, so that hosts follow no more.
  TRY(old.write_notes({}));
  terminal.out << fmt::format("the move to {} is given up\n", to);
  const auto left = remove_copies(move, trusting(options, address));
  if (!left) {
    print_warnings({fmt::format("the copies there stay until they expire, and have no effect: {}",
                                left.error().text)},
                   terminal);
    return {};
  }
  terminal.out << fmt::format("{} copies are removed there", left->removed);
  if (left->followed > 0) {
    terminal.out << fmt::format(
        "; {} other records stay: leases of hosts that had followed, until "
        "they expire, and reservations",
        left->followed);
  }
  terminal.out << "\n";
  return {};
}

}  // namespace flannel
