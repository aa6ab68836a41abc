// SPDX-License-Identifier: Apache-2.0
// For a program that asks one question after the other and has nothing to do meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "core/registry.h"
#include "loop/epoll_loop.h"

namespace flannel {

// Runs `loop` until what `ask` asked for is answered. Absent: it was not until `deadline`; an
// answer that comes later goes to nobody.
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
