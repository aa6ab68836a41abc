// SPDX-License-Identifier: Apache-2.0
// Implements drain and undrain: they notify the flanneld of this host by a file in its state
// folder, and wait until the store shows that it has followed.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <functional>
#include <ostream>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "core/drain_note.h"
#include "core/node_id.h"
#include "core/state_folder.h"
#include "ctl/cluster_nodes.h"
#include "ctl/command.h"
#include "ctl/config_text.h"
#include "ctl/control_client.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenLists{300};
// The look at the store before anything is changed takes no more than this of the whole time.
constexpr milliseconds kFirstLook{5000};

std::string drained_file(const CtlOptions& options) {
  return fmt::format("{}/{}", options.state_dir, kDrainedFile);
}

Result<NodeId> this_node(const CtlOptions& options) {
  const std::string path = fmt::format("{}/{}", options.state_dir, kNodeIdFile);
  const auto text = read_file(path);
  if (text) return TRY_DURING(decode_node_id(*text), "read the node id from " + path);
  if (text.error().kind != ErrorKind::not_found) return Failure(text.error());
  return fail(ErrorKind::not_found,
              fmt::format("no flanneld of this release has run with the state folder {}: it has no "
                          "file {}; --state-dir names another",
                          options.state_dir, kNodeIdFile));
}

// The records in the store that this host has written.
std::vector<NodeRecord> records_of(const NodeId& id, const Snapshot& snapshot) {
  std::vector<NodeRecord> found;
  for (const ClusterNode& node : nodes_of(snapshot)) {
    if (node.id() != id) continue;
    found.insert(found.end(), node.records.begin(), node.records.end());
  }
  return found;
}

std::string subnets_of(const std::vector<NodeRecord>& records) {
  std::vector<std::string> subnets;
  for (const NodeRecord& one : records)
    subnets.push_back(to_string(one.lease.subnet));
  return fmt::format("{}", fmt::join(subnets, " and "));
}

// Returns the subnets of this host; empty: none, or the store does not answer. A reservation is
// refused: a record is how peers know of a host, so it would stay as one that they send to.
Result<std::string> check_has_no_reservation(const CtlOptions& options, const NodeId& id,
                                             const Terminal& terminal) {
  CtlOptions first = options;
  first.timeout = std::min(options.timeout, kFirstLook);
  StoreSession store = TRY(StoreSession::open(first));
  const auto snapshot = store.snapshot();
  if (!snapshot) {
    print_warnings({"whether this host has a reservation, which stays, cannot be seen: " +
                    snapshot.error().text},
                   terminal);
    return std::string();
  }
  const auto records = records_of(id, *snapshot);
  for (const NodeRecord& one : records) {
    if (one.record.expires()) continue;
    const std::string subnet = to_string(one.lease.subnet);
    return fail(
        ErrorKind::conflict,
        fmt::format("not drained: {} is a reservation of this host, and peers send to every "
                    "host that has a record; `flannelctl unreserve {}` makes it a lease, "
                    "which `flannelctl reserve` makes a reservation again after undrain",
                    subnet, subnet));
  }
  return subnets_of(records);
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[sizeof "2026-11-29T21:48:05Z"] = "";
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string user_name() {
  const passwd* user = ::getpwuid(::geteuid());
  return user != nullptr ? user->pw_name : fmt::format("user {}", ::geteuid());
}

// What an operator looks at if flanneld has not followed.
std::string where_to_look(const Terminal& terminal, const std::string& if_none) {
  const auto daemons = terminal.find_daemons
                           ? terminal.find_daemons()
                           : Result<std::vector<int>>(fail(ErrorKind::unsupported, ""));
  if (!daemons) return "the log of flanneld says why";
  if (daemons->empty()) return "flanneld does not run on this host: " + if_none;
  return fmt::format("flanneld runs (process {}), and its log and /readyz say why",
                     fmt::join(*daemons, ", "));
}

// What a list must show for the command to be done, and what it says then.
struct Goal {
  // Each returns a sentence about the subnets that the host had last; empty: none was seen.
  using Sentence = std::function<std::string(const std::string& subnets)>;

  bool has_record = false;
  Sentence done;
  Sentence missing;  // at the end of the time
  std::string if_no_daemon;
};

// `seen`: the subnets that this host has had so far; empty: none.
Result<void> wait_for(const Goal& goal, std::string seen, const CtlOptions& options,
                      const Terminal& terminal) {
  terminal.out.flush();
  StoreSession store = TRY(StoreSession::open(options));
  const TimePoint end = BootClock::now() + options.timeout;
  bool listed = false;  // the list at the end of the time always fails
  while (true) {
    const NodeId id = TRY(this_node(options));  // a host may take another node id
    const auto snapshot = store.snapshot();
    listed |= snapshot.has_value();
    const auto records = snapshot ? records_of(id, *snapshot) : std::vector<NodeRecord>();
    if (!records.empty()) seen = subnets_of(records);
    if (snapshot && records.empty() != goal.has_record) {
      terminal.out << goal.done(seen) << "\n";
      return {};
    }
    if (BootClock::now() >= end) {
      const std::string why =
          listed ? where_to_look(terminal, goal.if_no_daemon) : snapshot.error().text;
      return fail(ErrorKind::unavailable,
                  fmt::format("{} after {} ms (--timeout): {}", goal.missing(seen),
                              options.timeout.count(), why));
    }
    std::this_thread::sleep_for(std::min<Duration>(kBetweenLists, end - BootClock::now()));
  }
}

// The options for each network of this host: of the daemon, or the one that `options` names. A
// daemon that does not answer is taken for one with a single network.
std::vector<CtlOptions> in_each_network(const CtlOptions& options) {
  CtlOptions first = options;
  first.timeout = std::min(options.timeout, kFirstLook);
  const auto names = networks_asked_for(first);
  if (!names || !options.network.empty()) return {options};
  std::vector<CtlOptions> all;
  for (const std::string& name : *names)
    all.push_back(in_network(options, name));
  return all;
}

// `seen`: of each network, as in wait_for().
Result<void> wait_in_each(const Goal& goal, const std::vector<std::string>& seen,
                          const std::vector<CtlOptions>& networks, const Terminal& terminal) {
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const std::string& name = networks[i].network;
    if (!name.empty()) terminal.out << "network " << name << ": ";
    auto waited = wait_for(goal, seen[i], networks[i], terminal);
    if (!waited && !name.empty())
      return Failure(Error(waited.error()).during("the network " + name));
    TRY(std::move(waited));
  }
  return {};
}

}  // namespace

Result<void> run_drain(const CtlOptions& options, const Terminal& terminal) {
  const NodeId id = TRY(this_node(options));
  const std::vector<CtlOptions> networks = in_each_network(options);
  std::vector<std::string> leased;
  for (const CtlOptions& one : networks)
    leased.push_back(TRY(check_has_no_reservation(one, id, terminal)));
  const std::string path = drained_file(options);
  if (const auto before = read_file(path)) {
    terminal.out << "this host is " << to_string(decode_drain_note(*before)) << " already\n";
  } else {
    const std::string note = encode_drain_note({.since = time_now(), .by = user_name()});
    TRY_DURING(write_file_atomically(path, note, 0644), "drain this host");
  }
  if (options.no_wait) {
    terminal.out << path << " is written; flanneld deletes the lease when it sees the file\n";
    return {};
  }
  return wait_in_each(
      {.has_record = false,
       .done =
           [](const std::string& subnets) {
             const std::string what = subnets.empty()
                                          ? "the store has no lease of this host"
                                          : fmt::format("the lease {} is deleted", subnets);
             return "drained: " + what +
                    ", so peers send nothing to it; packets that still arrive pass, and "
                    "`flannelctl undrain` takes the lease again";
           },
       .missing =
           [](const std::string& subnets) {
             return fmt::format("{} is written, but the lease {} is not deleted", kDrainedFile,
                                subnets);
           },
       .if_no_daemon = "start it, or delete the lease with `flannelctl node remove`"},
      leased, networks, terminal);
}

Result<void> run_undrain(const CtlOptions& options, const Terminal& terminal) {
  TRY(this_node(options));
  const std::string path = drained_file(options);
  if (::unlink(path.c_str()) != 0) {
    if (errno != ENOENT) return os_error("remove " + path);
    terminal.out << "this host is not drained: there is no " << path << "\n";
  }
  if (options.no_wait) {
    terminal.out << "flanneld takes the lease when it sees that " << path << " is gone\n";
    return {};
  }
  const std::vector<CtlOptions> networks = in_each_network(options);
  return wait_in_each(
      {.has_record = true,
       .done =
           [](const std::string& subnets) {
             return "this host has the lease " + subnets + ", and peers send to it";
           },
       .missing = [](const std::string&) { return "the store has no lease of this host"; },
       .if_no_daemon = "start it"},
      std::vector<std::string>(networks.size()), networks, terminal);
}

}  // namespace flannel
