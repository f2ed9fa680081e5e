package dev.jwen.cli;

import picocli.CommandLine.IVersionProvider;

/** What {@code jwen --version} says. */
final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
        String version = Main.class.getPackage().getImplementationVersion();
        return new String[] {
            "jwen " + (version == null ? "(development build)" : version),
            "Java " + Runtime.version() + ", " + System.getProperty("os.name") + " " + System.getProperty("os.arch")
        };
    }
}
