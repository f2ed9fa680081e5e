/** Tests of the template engine against jinja2, and with templates that mean harm. */
@NullMarked
package dev.jwen.template;

import org.jspecify.annotations.NullMarked;
