// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

#include "base/result.h"
#include "core/registry.h"

namespace flannel {

// Returns a reply that passes results on to `reply`, and its errors through `explain` first.
template <typename T>
Reply<T> explain_errors(std::function<Error(Error)> explain, Reply<T> reply) {
  return [explain = std::move(explain), reply = std::move(reply)](Result<T> result) {
    if (result) return reply(std::move(result));
    reply(Failure(explain(std::move(result.error()))));
  };
}

}  // namespace flannel
