/**
 * Models by name: fetched from Hugging Face or ModelScope into the cache that the hub's own tools use, and found there.
 *
 * {@snippet :
 * HubSettings settings = HubSettings.of(System.getenv(), Path.of(System.getProperty("user.home")), null);
 * ModelName name = ModelName.of("Qwen/Qwen3.5-4B");
 * new Pull(settings).pull(name, PullListener.NONE);
 * Path model = new HubCache(settings.cache()).find(name);
 * }
 */
@NullMarked
package dev.jwen.hub;

import org.jspecify.annotations.NullMarked;
