// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

// The addresses of one subnet of this host that Docker has got for a network, its gateway among
// them.
//
// Docker does not report every address that it gives up: a call is lost when flanneld dies in the
// middle of it. But a Docker that starts asks again for each address that it still uses (the
// replay), and so for no other: what it has not asked for again by the end of the replay is free.
class AddressPool {
 public:
  enum class Use {
    taken,
    doubtful,  // taken in an earlier life of Docker; a replay may ask for it again
  };

  // All that a pool is; each address is one of the subnet.
  struct State {
    std::string network;  // of flannel; empty: it has no name
    IpPrefix subnet;
    std::optional<IpAddress> gateway{};  // that Docker asked for
    std::optional<IpAddress> last{};     // that take_next() returned
    // The networks for which Docker has asked for the pool since it was started. Of two it refuses
    // the second, and gives the pool back for it.
    std::uint32_t holders = 0;
    // False: containers may have addresses that are not here, for what was known of them was lost,
    // and Docker has not named all of them since.
    bool is_complete = true;
    std::map<IpAddress, Use> addresses{};

    bool operator==(const State&) const = default;
  };

  explicit AddressPool(State state) : state_(std::move(state)) {}

  const State& state() const { return state_; }
  const IpPrefix& subnet() const { return state_.subnet; }
  // The gateway that Docker asked for; before that the first address of the subnet.
  IpAddress gateway() const { return state_.gateway.value_or(subnet().base.plus(1)); }
  // How many addresses containers may have, without the gateway; 2^64-1 if there are more.
  std::uint64_t room() const;
  // How many containers have one.
  std::size_t containers() const;

  // Another network of Docker's has the pool.
  void hold() { ++state_.holders; }
  // A network has given it back. True: it was the last one.
  bool let_go() {
    if (state_.holders > 0) --state_.holders;
    return state_.holders == 0;
  }

  void set_complete() { state_.is_complete = true; }
  // Docker has started again, and may replay.
  void doubt_all();
  // A replay is over, and nothing of it was lost: what is still doubtful is free.
  void free_doubtful();
  bool has_doubtful() const;
  // True if a container has got an address since Docker was started.
  bool has_containers() const;

  // Takes the next free address after the last one, so that one that was given back is not used
  // soon again, while others still have it in their tables. ErrorKind::exhausted: none is free.
  Result<IpAddress> take_next();
  // Takes this address for a container, or, in a replay, notes that one has it still.
  // ErrorKind::exists: another container has it; invalid: no container of the subnet can have it.
  Result<void> take(const IpAddress& address, bool in_replay);
  // Makes this the gateway, also if it is taken.
  Result<void> take_gateway(const IpAddress& address);
  void give_back(const IpAddress& address);

  bool operator==(const AddressPool&) const = default;

 private:
  bool is_usable(const IpAddress& address) const;
  IpAddress last_usable() const;

  State state_;
};

}  // namespace flannel
