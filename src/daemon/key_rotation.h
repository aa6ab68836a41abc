// SPDX-License-Identifier: Apache-2.0
// Gives this host another WireGuard key without a lost packet.
//
// A peer lets in what one key of ours has encrypted, so our change and that of a peer follow each
// other. Ours is the first: from then on the kernel holds back what is for a peer (128 packets for
// each), and still takes what the peer sends in the former session. A peer that reads the new key
// in our lease puts it in the place of the former one and begins a handshake, which releases what
// was held back. Were the lease first, a peer would drop what we send with the former key.
//
//   begin ─▶ key file ─▶ devices ─▶ lease ── the store has it ──▶ done
//                                     └── not within kLongest ──▶ the former key in all three
//                                                                 (the file: until it has it)
//
// A crash anywhere leaves the key of the file as the only one: the next start gives it to the
// devices and announces it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/problem.h"
#include "base/result.h"
#include "daemon/host.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/wireguard.h"

namespace flannel {

struct RotatedKey {
  WireguardKey key;
  WireguardKey former;
};

// Loop thread only.
class KeyRotation {
 public:
  struct Parts {
    Loop& loop;  // must outlive the rotation
    Host& host;  // must outlive the rotation
    // Gives the devices these keys. Fails if the kernel has refused them.
    std::function<Result<void>(const WireguardIdentity&)> use;
    std::function<void()> announce;  // the keys that are in use
    std::function<void()> on_state;  // append_problems() may have another result
  };
  using Done = std::function<void(Result<RotatedKey>)>;

  // The store answers within milliseconds. What is held back longer, is lost. Less than the time in
  // which the control socket must answer.
  static constexpr std::chrono::milliseconds kLongest{1500};
  // Until the handshakes are repeated that peers left unanswered because they had not read our
  // lease: upstream's begin none by themselves, and what a peer begins does not reach a host behind
  // a NAT.
  static constexpr std::chrono::milliseconds kUntilRepeat{300};

  explicit KeyRotation(Parts parts) : parts_(std::move(parts)) {}

  // `now`: the keys in use. `done` is called once, also before this returns: with an error if the
  // keys in use are the former ones again. Must not be called while is_under_way().
  void begin(const WireguardIdentity& now, Done done);
  bool is_under_way() const { return under_way_.has_value() || repeat_.armed(); }
  // The store has our lease with this key.
  void on_announced(const WireguardKey& key);
  void append_problems(std::vector<Problem>& all) const;

 private:
  struct UnderWay {
    WireguardIdentity former;
    WireguardIdentity next;
    Done done;
  };

  void give_up(Error why);
  void keep(const WireguardIdentity& keys);
  void repeat_handshakes();

  Parts parts_;
  std::optional<UnderWay> under_way_;
  std::optional<WireguardIdentity> repeated_;  // while repeat_ is armed: the keys in use
  Timer late_{parts_.loop, [this] {
                give_up({ErrorKind::unavailable,
                         "the store has not taken the lease with the new key in time"});
              }};
  Timer repeat_{parts_.loop, [this] { repeat_handshakes(); }};
  std::optional<WireguardIdentity> unkept_;  // the keys in use, in place of which others are kept
  std::string unkept_why_;
  Backoff pauses_{std::chrono::seconds(1), std::chrono::minutes(1)};
  Timer keep_again_{parts_.loop, [this] { keep(WireguardIdentity(*unkept_)); }};
};

}  // namespace flannel
