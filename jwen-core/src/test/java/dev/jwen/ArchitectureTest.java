package dev.jwen;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** The plan of the house: which room may use which, and which room owns an awkward API. */
class ArchitectureTest {
    private static final String ROOT = "dev.jwen.";

    /** Room → the rooms it may use. Imports point down only. */
    private static final Map<String, Set<String>> ROOMS = Map.ofEntries(
            Map.entry("tensor", Set.of()),
            Map.entry("kernel", Set.of("tensor")),
            Map.entry("checkpoint", Set.of("tensor")),
            Map.entry("tokenizer", Set.of()),
            Map.entry("template", Set.of()),
            Map.entry("media", Set.of("tensor")),
            Map.entry("web", Set.of()),
            Map.entry("hub", Set.of()),
            Map.entry("chat", Set.of("template")),
            Map.entry("kernel.vector", Set.of("kernel", "tensor")),
            Map.entry("kernel.x86", Set.of("kernel", "tensor")),
            Map.entry("model", Set.of("kernel", "checkpoint", "tensor")),
            Map.entry("bench", Set.of("model", "kernel", "checkpoint", "tensor")),
            Map.entry("generate", Set.of("model", "kernel", "tokenizer", "tensor")),
            Map.entry(
                    "engine",
                    Set.of(
                            "generate",
                            "model",
                            "chat",
                            "media",
                            "kernel",
                            "checkpoint",
                            "tokenizer",
                            "template",
                            "tensor")),
            Map.entry("tools", Set.of("engine", "chat")));

    /** API → the rooms that own it. */
    private static final Map<String, Set<String>> OWNERS = Map.ofEntries(
            Map.entry("jdk.incubator.vector..", Set.of("kernel.vector")),
            Map.entry(
                    "java.lang.foreign..",
                    Set.of("tensor", "checkpoint", "kernel", "kernel.vector", "kernel.x86", "bench")),
            Map.entry("java.net..", Set.of("web", "hub")),
            Map.entry("javax.net..", Set.of("web", "hub")),
            Map.entry("java.awt..", Set.of("media")),
            Map.entry("javax.imageio..", Set.of("media")),
            Map.entry("java.util.concurrent.Executors", Set.of("engine", "hub")));

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.jwen");

    private static String room(JavaClass type) {
        String name = type.getPackageName();
        return name.startsWith(ROOT) ? name.substring(ROOT.length()) : "";
    }

    private static DescribedPredicate<JavaClass> inRooms(Set<String> rooms) {
        return DescribedPredicate.describe("in rooms " + rooms, type -> rooms.contains(room(type)));
    }

    @Test
    void everyPackageIsARoomOfThePlan() {
        Set<String> packages = new TreeSet<>();
        CLASSES.forEach(type -> packages.add(room(type)));
        assertThat(packages).containsExactlyInAnyOrderElementsOf(ROOMS.keySet());
    }

    @Test
    void roomsUseOnlyTheRoomsBelowThem() {
        ROOMS.forEach((room, below) -> {
            Set<String> forbidden = new HashSet<>(ROOMS.keySet());
            forbidden.removeAll(below);
            forbidden.remove(room);
            noClasses()
                    .that(inRooms(Set.of(room)))
                    .should()
                    .dependOnClassesThat(inRooms(forbidden))
                    .as("room " + room + " uses only " + below)
                    .check(CLASSES);
        });
    }

    @Test
    void awkwardInterfacesHaveAnOwner() {
        OWNERS.forEach((api, owners) -> noClasses()
                .that(DescribedPredicate.not(inRooms(owners)))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(api)
                .as(api + " only in " + owners)
                .check(CLASSES));
    }

    @Test
    void threadsAreStartedByTheKernelsPoolAndTheEngineAlone() {
        assertThat(callersOf("java.lang.Thread", Set.of("start", "startVirtualThread", "ofVirtual", "ofPlatform")))
                .containsOnly("kernel", "engine");
    }

    @Test
    void programsAreStartedByMediaAndToolsAlone() {
        assertThat(callersOf("java.lang.ProcessBuilder", Set.of("start"))).containsOnly("media", "tools");
        assertThat(callersOf("java.lang.Runtime", Set.of("exec"))).isEmpty();
    }

    /** What it gives for sums of floats depends on whether the loop is compiled yet. */
    @Test
    void lanesAreAddedUpInAnOrderThatIsOurs() {
        Set<String> callers = new TreeSet<>();
        CLASSES.forEach(type -> type.getAccessesFromSelf().stream()
                .filter(access -> access.getTarget().getName().equals("reduceLanes"))
                .forEach(access -> callers.add(type.getSimpleName())));
        assertThat(callers).containsExactly("Lanes", "VectorLoops");
    }

    @Test
    void nobodyPrintsOrReadsTheEnvironment() {
        assertThat(callersOf("java.lang.System", Set.of("getenv", "exit", "console")))
                .isEmpty();
        assertThat(callersOf("java.lang.System", Set.of("getProperty"))).isSubsetOf("kernel", "kernel.x86", "tensor");
        List<String> printers = new ArrayList<>();
        CLASSES.forEach(type -> type.getFieldAccessesFromSelf().stream()
                .filter(a -> a.getTargetOwner().getName().equals("java.lang.System"))
                .forEach(a -> printers.add(type.getName())));
        assertThat(printers).isEmpty();
    }

    @Test
    void foreignFunctionsAreCalledForMachineCodeAndPagesAlone() {
        assertThat(callersOf("java.lang.foreign.Linker", Set.of("nativeLinker", "downcallHandle")))
                .containsOnly("kernel.x86", "tensor");
    }

    @Test
    void randomNumbersComeFromASeededGeneratorThatIsPassedIn() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.util.Random")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.util.concurrent.ThreadLocalRandom")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.security.SecureRandom")
                .check(CLASSES);
    }

    @Test
    void callersMeetNoCheckedException() {
        classes()
                .that()
                .areAssignableTo(Throwable.class)
                .and()
                .arePublic()
                .should()
                .beAssignableTo(RuntimeException.class)
                .check(CLASSES);
    }

    private static Set<String> callersOf(String owner, Set<String> methods) {
        Set<String> rooms = new TreeSet<>();
        for (JavaClass type : CLASSES) {
            for (JavaAccess<?> access : type.getAccessesFromSelf()) {
                if (access.getTargetOwner().getName().equals(owner)
                        && methods.contains(access.getTarget().getName())) {
                    rooms.add(room(type));
                }
            }
        }
        return rooms;
    }
}
