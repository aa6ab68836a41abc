// SPDX-License-Identifier: Apache-2.0
// What the remaining life of a lease shows about its host, for operators.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/store_feed.h"

namespace flannel {

struct LeaseLife {
  std::chrono::seconds left{};
  std::optional<std::chrono::seconds> granted{};  // nullopt: the store does not know
};

// Returns nullopt for a reservation, and if the store does not know how long the record lives on.
std::optional<LeaseLife> life_of(const Record& record, const RemainingLives& lives);

// "23 h", "40 s"; rounded down.
std::string duration_text(std::chrono::seconds time);

// "in 23 h", "reservation", "unknown".
std::string expiry_text(const Record& record, const RemainingLives& lives);

// Returns why the host of this record may be running; empty: at least half of the life of the lease
// has passed. A flannel-cpp that runs and reaches the store renews its lease after a third of it.
std::string sign_of_life(const Record& record, const RemainingLives& lives);

}  // namespace flannel
