// SPDX-License-Identifier: Apache-2.0
// The checks of doctor that ask the store.
#include <fmt/format.h>

#include "base/clock.h"
#include "base/file.h"
#include "ctl/cluster_nodes.h"
#include "ctl/doctor.h"
#include "ctl/lease_life.h"
#include "ctl/store_session.h"
#include "ctl/wait_for_answer.h"
#include "http/certificate_life.h"
#include "registry/store_clock.h"

namespace flannel::doctor {
namespace {

// A store that takes so long to answer takes as long for each change, of all hosts.
constexpr auto kSlow = std::chrono::seconds(1);
constexpr auto kSoon = std::chrono::days(14);
constexpr std::size_t kMostNamed = 10;
// The store reports whole seconds, and the answer takes a while.
constexpr auto kSameTime = std::chrono::seconds(5);

void check_leases(const Snapshot& snapshot, StoreSession& store, Checks& checks) {
  const auto lives = store.remaining_lives(snapshot.records);
  if (!lives) return;
  std::size_t abandoned = 0;
  for (const ClusterNode& node : nodes_of(snapshot)) {
    const Record& record = node.present().record;
    const auto life = life_of(record, *lives);
    if (!life || !node.id() || !sign_of_life(record, *lives).empty()) continue;
    if (++abandoned > kMostNamed) continue;
    checks.push_back(
        {.verdict = Verdict::wrong,
         .area = "leases",
         .text = fmt::format("{} of {} has not renewed its lease, which ends in {}",
                             to_string(node.subnets()), to_string(node.attributes().public_ips()),
                             duration_text(life->left)),
         .code = "lease-not-renewed-there",
         .remedy =
             "see that its flanneld runs and reaches the store; if that host is gone for ever: "
             "flannelctl node remove " +
             to_string(node.subnets().front())});
  }
  if (abandoned == 0) {
    checks.push_back({.area = "leases", .text = "every host renews its lease in time"});
  }
}

Check of_life(const std::string& file, std::chrono::seconds life) {
  if (life >= kSoon) {
    return {.area = "certificates",
            .text = fmt::format("{} is valid for {}", file, duration_text(life))};
  }
  return {.verdict = Verdict::wrong,
          .area = "certificates",
          .text = life.count() <= 0
                      ? fmt::format("{} is no longer valid", file)
                      : fmt::format("{} is valid for {} only", file, duration_text(life)),
          .code = "certificate-expires",
          .remedy = "put a new certificate there, and restart flanneld"};
}

}  // namespace

void check_store(const CtlOptions& options, Checks& checks) {
  auto store = StoreSession::open(options);
  const TimePoint begin = BootClock::now();
  auto snapshot = store ? store->snapshot() : Failure(store.error());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(BootClock::now() - begin);
  if (!snapshot) {
    checks.push_back({.verdict = Verdict::unknown,
                      .area = "store",
                      .text = "flannelctl itself cannot read it: " + snapshot.error().text});
    return;
  }
  const std::string text = fmt::format("{} answered with {} leases in {} ms", store->config_place(),
                                       snapshot->records.size(), took.count());
  if (took < kSlow) {
    checks.push_back({.area = "store", .text = text});
  } else {
    checks.push_back({.verdict = Verdict::wrong,
                      .area = "store",
                      .text = text,
                      .code = "store-slow",
                      .remedy = "see the load and the disks of the store, and the way to it"});
  }
  check_leases(*snapshot, *store, checks);
}

void check_clock(const CtlOptions& options, Checks& checks) {
  const auto loop = EpollLoop::open();
  auto clock = loop ? open_store_clock(options.store, **loop) : Failure(loop.error());
  if (!clock) return;  // there is none to compare with
  const auto sent = std::chrono::system_clock::now();
  const auto there = wait_for_answer<ServerTime>(
      **loop, [&](Reply<ServerTime> reply) { (*clock)->ask(std::move(reply)); },
      BootClock::now() + options.timeout);
  const auto came = std::chrono::system_clock::now();
  if (!there || !*there) return;  // check_store says why
  const auto ahead = sent - **there > kSameTime   ? sent - **there
                     : **there - came > kSameTime ? came - **there
                                                  : ServerTime::duration(0);
  if (ahead == ServerTime::duration(0)) {
    checks.push_back({.area = "clock", .text = "this host and the store have the same time"});
    return;
  }
  const auto off = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::abs(ahead));
  checks.push_back(
      {.verdict = Verdict::wrong,
       .area = "clock",
       .text = fmt::format("the clock of this host is {} {} that of the store", duration_text(off),
                           ahead > ServerTime::duration(0) ? "ahead of" : "behind"),
       .code = "clock-off",
       .remedy = "set the clock of the host that is wrong, and let NTP keep it: certificates are "
                 "refused, and logs of hosts cannot be compared"});
}

void check_certificates(const CtlOptions& options, Checks& checks) {
  const StoreOptions& store = options.store;
  for (const std::string& file : {store.cert_file, store.ca_file}) {
    if (file.empty()) continue;
    const auto pem = read_file(file);
    const auto lives = pem ? certificate_lives(*pem) : Failure(pem.error());
    if (!lives) {
      checks.push_back({.verdict = Verdict::unknown,
                        .area = "certificates",
                        .text = fmt::format("read {}: {}", file, lives.error().text)});
    } else {
      // A bundle of authorities, as a system has it, need not be valid as a whole.
      checks.push_back(of_life(file, file == store.ca_file ? lives->longest : lives->shortest));
    }
  }
}

}  // namespace flannel::doctor
