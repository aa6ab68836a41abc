// SPDX-License-Identifier: Apache-2.0
// Calls the listener of a watch on its loop thread, for stores whose changes happen on other
// threads. `poster` posts to that loop. If the watch has ended by then, so that `listener` has
// expired, the call has no effect.
#pragma once

#include <memory>
#include <utility>

#include "base/result.h"
#include "core/registry.h"

namespace flannel {

template <typename AnyPoster, typename Call>
void post_to_listener(AnyPoster& poster, const std::weak_ptr<WatchListener>& listener, Call call) {
  poster.post([listener, call = std::move(call)] {
    if (const auto still = listener.lock()) call(*still);
  });
}

template <typename AnyPoster>
void post_position_lost(AnyPoster& poster, const std::weak_ptr<WatchListener>& listener) {
  post_to_listener(poster, listener, [](WatchListener& to) { to.on_position_lost(); });
}

template <typename AnyPoster>
void post_disconnected(AnyPoster& poster, const std::weak_ptr<WatchListener>& listener,
                       const Error& why) {
  post_to_listener(poster, listener, [why](WatchListener& to) { to.on_disconnected(why); });
}

}  // namespace flannel
