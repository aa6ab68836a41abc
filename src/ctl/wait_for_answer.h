// SPDX-License-Identifier: Apache-2.0
// Waits for the answer of an asynchronous call, for a program that has nothing else to do
// meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "core/registry.h"
#include "loop/epoll_loop.h"

namespace flannel {

// Calls `ask` and runs `loop` until the answer has arrived. Returns nullopt if there is no answer
// by `deadline`; a later answer is discarded.
template <typename T>
std::optional<Result<T>> wait_for_answer(EpollLoop& loop, const std::function<void(Reply<T>)>& ask,
                                         std::optional<TimePoint> deadline = std::nullopt) {
  const auto answer = std::make_shared<std::optional<Result<T>>>();
  ask([answer, &loop](Result<T> result) {
    *answer = std::move(result);
    loop.stop();
  });
  const auto timer = deadline ? loop.at(*deadline, [&loop] { loop.stop(); }) : nullptr;
  if (const auto ran = loop.run(); !ran) return Failure(ran.error());
  return std::move(*answer);
}

}  // namespace flannel
