// SPDX-License-Identifier: Apache-2.0
#include "daemon/key_rotation.h"

#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel {

void KeyRotation::begin(const WireguardIdentity& now, Done done) {
  const auto next = parts_.host.replace_wireguard_keys();
  if (!next) {
    if (next.error().kind != ErrorKind::conflict) keep(now);
    return done(tl::unexpected(next.error()));
  }
  unkept_.reset();
  keep_again_.cancel();
  log::info("this host takes another WireGuard key",
            {{"public_key", to_string(next->key)}, {"was", to_string(now.key)}});
  under_way_ = UnderWay{now, *next, std::move(done)};
  if (auto used = parts_.use(*next); !used) return give_up(std::move(used).error());
  late_.arm_after(kLongest);
  parts_.announce();
}

void KeyRotation::on_announced(const WireguardKey& key) {
  if (!under_way_ || under_way_->next.key != key) return;
  const UnderWay over = *std::exchange(under_way_, std::nullopt);
  late_.cancel();
  log::info("the other WireGuard key is announced", {{"public_key", to_string(key)}});
  repeated_ = over.next;
  repeat_.arm_after(kUntilRepeat);
  over.done(RotatedKey{.key = over.next.key, .former = over.former.key});
}

// The store may have the lease with the new key all the same; then it gets that with the former one
// as soon as it answers.
void KeyRotation::give_up(Error why) {
  const UnderWay over = *std::exchange(under_way_, std::nullopt);
  late_.cancel();
  log::warning("the former WireGuard key stays in use",
               {{"public_key", to_string(over.former.key)}, {"why", why.text}});
  keep(over.former);
  if (const auto used = parts_.use(over.former); !used) {
    log::error("the kernel refuses the former WireGuard key; flanneld goes on trying",
               {{"why", used.error().text}});
  }
  parts_.announce();
  over.done(Failure(std::move(why).during("the former key stays in use")));
}

// The next start would have another key than the lease.
void KeyRotation::keep(const WireguardIdentity& keys) {
  const auto kept = parts_.host.keep_wireguard_keys(keys);
  if (kept) {
    unkept_.reset();
    pauses_.reset();
  } else {
    unkept_ = keys;
    unkept_why_ = kept.error().text;
    keep_again_.arm_after(pauses_.next());
  }
  parts_.on_state();
}

void KeyRotation::append_problems(std::vector<Problem>& all) const {
  if (!unkept_) return;
  all.push_back(make_problem(kWireguardKeyNotKept, "",
                             "the next start may take another WireGuard key than " +
                                 to_string(unkept_->key) + ", which is in use: " + unkept_why_));
}

// The kernel repeats a handshake after 5 s only. A device that loses its key and gets it again
// begins anew with each peer for which it holds something back, and loses nothing.
void KeyRotation::repeat_handshakes() {
  const WireguardIdentity keys = *std::exchange(repeated_, std::nullopt);
  for (const WireguardIdentity& each : {WireguardIdentity{}, keys}) {
    if (const auto used = parts_.use(each); !used) {
      log::warning(
          "WireGuard's handshakes cannot be repeated; peers that begin none by themselves "
          "may be reached some seconds later",
          {{"why", used.error().text}});
    }
  }
}

}  // namespace flannel
